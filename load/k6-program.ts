import { execFile } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const runTimeoutMs = 15 * 60_000;
const maxOutputBytes = 16 * 1024 * 1024;
/** k6's own word for "it ran, and a threshold was crossed". */
const thresholdsCrossed = 99;

/** K6_PROGRAM, else k6 on PATH; undefined where there is none. */
export function findK6(environment: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  const named = environment.K6_PROGRAM;
  if (named !== undefined && named !== '') return isProgram(named) ? named : undefined;
  return (environment.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'k6'))
    .find(isProgram);
}

/** For the person at the terminal. */
export const k6Missing =
  'k6 is needed and was not found: it is not on PATH, and K6_PROGRAM names no program. Install it from its makers’ own ' +
  'packages, or run `K6_PROGRAM=/where/it/is/k6 npm run bench -- k6`. All other benches and drills do without it.';

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface K6Result {
  /** Every threshold held. */
  readonly passed: boolean;
  readonly requests: number;
  readonly p95Ms: number;
  /** What k6 says at its end. */
  readonly output: string;
}

interface Summary {
  readonly metrics: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;
}

/** Throws where k6 could not run the script. */
export async function runK6(
  program: string,
  script: string,
  variables: Readonly<Record<string, string>>,
): Promise<K6Result> {
  const folder = mkdtempSync(join(tmpdir(), 'praxis-k6-'));
  const summary = join(folder, 'summary.json');
  // The token is in the environment, where other users of the machine do not see it.
  const args = ['run', '--quiet', '--include-system-env-vars', `--summary-export=${summary}`, script];
  const environment = { ...process.env, ...variables, K6_NO_USAGE_REPORT: 'true' };
  try {
    const { status, output } = await ended(program, args, environment);
    if (status !== 0 && status !== thresholdsCrossed) throw new Error(`k6 ended with status ${status}:\n${output}`);
    return { passed: status === 0, ...figuresIn(readFileSync(summary, 'utf8')), output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ended(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  try {
    const { stdout, stderr } = await execute(program, [...args], {
      env,
      timeout: runTimeoutMs,
      maxBuffer: maxOutputBytes,
    });
    return { status: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { status: code, output: stdout + stderr || String(error) };
  }
}

/** The two figures that every scenario has. */
export function figuresIn(summaryText: string): Pick<K6Result, 'requests' | 'p95Ms'> {
  const { metrics } = JSON.parse(summaryText) as Summary;
  return { requests: numberOf(metrics.http_reqs?.count), p95Ms: numberOf(metrics.http_req_duration?.['p(95)']) };
}

const numberOf = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);
