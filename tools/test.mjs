// `npm test`: types, lint and import rules side by side, then every test. The last line counts what passed and failed.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';

const only = process.argv.slice(2);
/** A run of some tests says nothing about the others: `npm run requirements` reads complete runs only. */
const resultFile = only.length === 0 ? '.praxis/last-test-run.json' : '.praxis/last-partial-run.json';

const checks = [
  { name: 'types', program: 'typescript/bin/tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
  { name: 'lint', program: '@biomejs/biome/bin/biome', args: ['check', '--error-on-warnings'] },
  {
    name: 'import rules',
    program: 'dependency-cruiser/bin/dependency-cruiser.mjs',
    args: ['--config', '.dependency-cruiser.cjs', 'apps', 'libs', 'migrations', 'load', 'tools'],
  },
];

const children = new Set();
for (const name of ['SIGINT', 'SIGTERM'])
  process.once(name, () => {
    for (const child of children) child.kill(name);
    process.exitCode = 128 + constants.signals[name];
  });

mkdirSync('.praxis', { recursive: true });
rmSync(resultFile, { force: true });
const failedChecks = (await Promise.all(checks.map(runCheck))).filter((ok) => !ok).length;
const jestStatus = await runJest();
const counts = countTests(jestStatus);
const failed = counts.failed + failedChecks;
console.log(`\n${counts.passed} passed, ${failed} failed${counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`}`);
if (failed > 0 || jestStatus !== 0) process.exitCode ||= 1;

async function runCheck({ name, program, args }) {
  const startedAt = performance.now();
  const { status, output } = await run([`node_modules/${program}`, ...args], 'pipe');
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${status === 0 ? '✓' : '✗'} ${name} (${seconds} s)`);
  if (status !== 0) console.log(output.trimEnd());
  return status === 0;
}

async function runJest() {
  const args = ['node_modules/jest/bin/jest.js', '--json', `--outputFile=${resultFile}`, ...only];
  return (await run(args, ['inherit', 'ignore', 'inherit'])).status;
}

function countTests(status) {
  if (!existsSync(resultFile)) return { passed: 0, failed: 1, skipped: 0 };
  const result = JSON.parse(readFileSync(resultFile, 'utf8'));
  const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
  const skipped = result.numPendingTests + result.numTodoTests;
  return { passed: result.numPassedTests, failed: status !== 0 && failed === 0 ? 1 : failed, skipped };
}

function run(args, stdio) {
  const child = spawn(process.execPath, args, { stdio: stdio === 'pipe' ? ['ignore', 'pipe', 'pipe'] : stdio });
  children.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      children.delete(child);
      resolve({ status: code ?? 1, output });
    });
  });
}
