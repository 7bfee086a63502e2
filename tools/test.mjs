// `npm test`: types, lint and import rules side by side, then every test. The last line counts what passed and failed.
// Real servers under load on a small machine miss a moment now and then: a few spec files that failed beside others are run
// once more alone and count as they end there. They are named, because each is a race to be found.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';

const only = process.argv.slice(2);
/** A run of some tests says nothing about the others: `npm run requirements` reads complete runs only. */
const resultFile = only.length === 0 ? '.praxis/last-test-run.json' : '.praxis/last-partial-run.json';
const againFile = '.praxis/last-run-alone.json';
const mostFilesAgain = 6;

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
const status = await runJest(resultFile, only);
const counts = countTests((await runAgain(status)) ?? status);
const failed = counts.failed + failedChecks;
console.log(`\n${counts.passed} passed, ${failed} failed${counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`}`);
if (failed > 0) process.exitCode ||= 1;

async function runCheck({ name, program, args }) {
  const startedAt = performance.now();
  const { status, output } = await run([`node_modules/${program}`, ...args], 'pipe');
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${status === 0 ? '✓' : '✗'} ${name} (${seconds} s)`);
  if (status !== 0) console.log(output.trimEnd());
  return status === 0;
}

async function runJest(outputFile, specs) {
  const args = ['node_modules/jest/bin/jest.js', '--json', `--outputFile=${outputFile}`, ...specs];
  return (await run(args, ['inherit', 'ignore', 'inherit'])).status;
}

/** The status of the run as a whole where some files were run again, and their results in place of the first ones. */
async function runAgain(status) {
  const first = status === 0 ? undefined : readResult(resultFile);
  const failed = first?.testResults.filter((file) => file.status === 'failed').map((file) => file.name) ?? [];
  if (process.exitCode !== undefined || failed.length === 0 || failed.length > mostFilesAgain) return;
  console.error(`\nFailed beside others, run again alone:\n  ${failed.join('\n  ')}\n`);
  rmSync(againFile, { force: true });
  const statusAlone = await runJest(againFile, ['--runInBand', '--runTestsByPath', ...failed]);
  const alone = readResult(againFile);
  if (alone === undefined) return;
  const whole = [...first.testResults.filter((file) => !failed.includes(file.name)), ...alone.testResults];
  const testsLike = (state) =>
    whole.flatMap((file) => file.assertionResults).filter((test) => test.status === state).length;
  const counts = {
    numFailedTests: testsLike('failed'),
    numPassedTests: testsLike('passed'),
    numRuntimeErrorTestSuites: alone.numRuntimeErrorTestSuites,
  };
  writeFileSync(resultFile, JSON.stringify({ ...first, ...counts, testResults: whole }));
  return statusAlone;
}

function readResult(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

function countTests(status) {
  const result = readResult(resultFile);
  if (result === undefined) return { passed: 0, failed: 1, skipped: 0 };
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
