import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { figuresIn, findK6, runK6 } from './k6-program.js';

describe('k6', () => {
  const folder = mkdtempSync(join(tmpdir(), 'praxis-k6-spec-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Says what it was called with, writes a summary as k6 does, and ends with a status. */
  function program(status: number, summary = true): string {
    const file = join(folder, 'k6');
    const text = '{"metrics":{"http_reqs":{"count":7},"http_req_duration":{"p(95)":12.5}}}';
    const write = summary
      ? `for a in "$@"; do case $a in --summary-export=*) echo '${text}' > "\${a#*=}";; esac; done`
      : '';
    writeFileSync(file, `#!/bin/sh\n${write}\necho "url $BASE_URL"\nexit ${status}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  it('is where K6_PROGRAM says, else on PATH, else nowhere', () => {
    const there = program(0);
    expect(findK6({ K6_PROGRAM: there, PATH: '' })).toBe(there);
    expect(findK6({ PATH: `/nowhere:${folder}` })).toBe(there);
    expect(findK6({ K6_PROGRAM: '/nowhere/k6', PATH: folder })).toBeUndefined();
    expect(findK6({ PATH: '/nowhere' })).toBeUndefined();
  });

  it('has passed unless it says that a threshold was crossed', async () => {
    const variables = { BASE_URL: 'http://x' };
    const passed = await runK6(program(0), 'a.js', variables);
    expect(passed).toEqual({ passed: true, requests: 7, p95Ms: 12.5, output: 'url http://x\n' });
    expect((await runK6(program(99), 'a.js', variables)).passed).toBe(false);
  });

  it('that could not run is an error with its own words', async () => {
    await expect(runK6(program(107, false), 'a.js', { BASE_URL: 'http://x' })).rejects.toThrow(/status 107:\nurl http/);
  });

  it('gives no figure that its summary lacks', () => {
    expect(figuresIn('{"metrics":{}}')).toEqual({ requests: Number.NaN, p95Ms: Number.NaN });
  });
});
