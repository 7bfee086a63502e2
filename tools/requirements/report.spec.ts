import { readRows, report, shownIds } from './report.js';

const run = (...tests: [status: string, title: string][]) => ({
  testResults: tests.map(([status, title]) => ({ assertionResults: [{ status, title }] })),
});

const list = `# Requirements
## A. First
| id | required | served by | shown when | note |
|---|---|---|---|---|
| A-001 | one | x | y |  |
| A-002 | two | x | y |  |
| A-003 | three | x | y |  |
## B. Second
| B-001 | four | x | y |  |
| C32b | a conflict, not a row |
`;

describe('the report on requirements', () => {
  it('counts an id that stands in the title of a passed test, also beside others', () => {
    const shown = shownIds(
      run(['passed', '[A-001] [A-002] holds'], ['passed', '[B-001, B-002] holds'], ['passed', 'A-003']),
    );
    expect([...shown]).toEqual(['A-001', 'A-002', 'B-001', 'B-002']);
  });

  it('does not count an id that another test failed or skipped', () => {
    const shown = shownIds(run(['passed', '[A-001] a'], ['failed', '[A-001] b'], ['pending', '[A-002] c']));
    expect([...shown]).toEqual([]);
  });

  it('ends with the total and names what is owed', () => {
    const lines = report(readRows(list), new Set(['A-001', 'Z-999']));
    expect(lines).toContain('A. First: 1 shown, 2 owed');
    expect(lines).toContain('  ✓ A-001 one');
    expect(lines).toContain('  owed: A-002…A-003');
    expect(lines).toContain('shown, and not among the rows: Z-999');
    expect(lines.at(-1)).toBe('1 of 4');
  });
});
