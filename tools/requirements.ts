import { existsSync, readFileSync } from 'node:fs';
import { readRows, report, shownIds } from './requirements/report.js';

/** `npm run requirements`: which rows of the list of requirements the last complete test run has shown. */
const resultFile = '.praxis/last-test-run.json';
const listFile = '../shared/requirements.md';

if (!existsSync(resultFile)) {
  console.error('There is no complete test run yet; type: npm test');
  process.exitCode = 1;
} else {
  const shown = shownIds(JSON.parse(readFileSync(resultFile, 'utf8')));
  const lines = existsSync(listFile)
    ? report(readRows(readFileSync(listFile, 'utf8')), shown)
    : [`${listFile} is not here; the tests of the last run show:`, ...[...shown].map((id) => `  ${id}`)];
  console.log(lines.join('\n'));
}
