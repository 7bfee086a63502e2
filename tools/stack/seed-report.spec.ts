import { execFileSync } from 'node:child_process';
import { curlLine, loginLine, readSeedReport } from './seed-report.js';

const login = {
  path: '/api/v1/auth/login',
  body: { email: 'o@clinic.example', password: "it's 1" },
  token: 'accessToken',
};

/** Runs the lines in a shell whose curl prints its arguments, and a token for a login. */
function runWithFakeCurl(...lines: readonly string[]): string[] {
  const curl = `curl() { case "$*" in *"auth/login"*) printf '{"refreshToken":"r","accessToken":"t-1","n":1}';; *) printf '%s\\n' "$@";; esac; }`;
  return execFileSync('sh', ['-c', [curl, ...lines].join('\n')], { encoding: 'utf8' })
    .trimEnd()
    .split('\n');
}

describe('what the seed tells', () => {
  it('is its last line of JSON', () => {
    const output = `shard-1: up to date\n{"old":1}\n{"logins":[],"examples":[]}\n`;
    expect(readSeedReport(output)).toEqual({ logins: [], examples: [] });
    expect(() => readSeedReport('nothing')).toThrow('no line of JSON');
  });

  it('becomes lines for the shell: one that logs in, and one for each call', () => {
    const url = 'http://127.0.0.1:3000';
    const line = curlLine(url, {
      says: 'book',
      method: 'POST',
      path: '/api/v1/appointments?a=1&b=2',
      headers: { 'Idempotency-Key': '$(printf %s key)-1' },
      body: { note: "a 'quoted' word" },
    });
    expect(line).not.toContain('\n');
    expect(runWithFakeCurl(loginLine(url, login), line)).toEqual([
      ...['-s', '-X', 'POST', 'http://127.0.0.1:3000/api/v1/appointments?a=1&b=2'],
      ...['-H', 'Authorization: Bearer t-1', '-H', 'Idempotency-Key: key-1'],
      ...['-H', 'content-type: application/json', '-d', `{"note":"a 'quoted' word"}`],
    ]);
  });

  it('sends a file as it is', () => {
    const headers = { 'content-type': 'text/csv' };
    const line = curlLine('http://a.example', { says: '', method: 'POST', path: '/s', headers, file: 'docs/a.csv' });
    expect(runWithFakeCurl('TOKEN=t-2', line)).toEqual([
      ...['-s', '-X', 'POST', 'http://a.example/s', '-H', 'Authorization: Bearer t-2'],
      ...['-H', 'content-type: text/csv', '--data-binary', '@docs/a.csv'],
    ]);
  });
});
