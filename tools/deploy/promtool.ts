import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { projectRoot, type SystemProgramName, stackHome, systemProgram } from '#infra/testing';

export interface Ran {
  readonly status: number | null;
  readonly said: string;
  readonly complained: string;
}

const runMaxMs = 60_000;

/** A program of the monitoring’s own, in a folder of the project. */
export function runProgram(name: SystemProgramName, args: readonly string[]): Ran {
  const { program, libraryPath } = systemProgram(name, stackHome(), () => {});
  const env = { ...process.env, ...(libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath }) };
  const options = { encoding: 'utf8', env, timeout: runMaxMs, cwd: projectRoot() } as const;
  const { status, stdout, stderr } = spawnSync(program, args, options);
  return { status, said: stdout, complained: stderr };
}

/** A value for each interval, as promtool writes them: `0+2x100`. */
export interface InputSeries {
  readonly series: string;
  readonly values: string;
}

/** One course of events and what is to be found at moments of it. */
export interface Course {
  readonly input: readonly InputSeries[];
  /** Question → answer (none: nothing is found), at a moment such as `5m`. */
  readonly expect: readonly { readonly at: string; readonly expr: string; readonly value: number | undefined }[];
}

/** Between two values, and two looks at the rules. */
export const sampleS = 30;

/** What Prometheus, with these rules, says of each course; empty where it is all as expected. */
export function mistakesIn(rules: string, courses: readonly Course[], intervalS = sampleS): string {
  const folder = mkdtempSync(join(tmpdir(), 'rules-'));
  try {
    writeFileSync(join(folder, 'rules.yml'), rules);
    const tests = courses.map(({ input, expect }) => ({
      interval: `${intervalS}s`,
      input_series: input,
      promql_expr_test: expect.map(({ at, expr, value }) => ({
        expr,
        eval_time: at,
        ...(value === undefined ? {} : { exp_samples: [{ labels: '{}', value }] }),
      })),
    }));
    const file = { rule_files: ['rules.yml'], evaluation_interval: `${intervalS}s`, tests };
    writeFileSync(join(folder, 'test.yml'), stringify(file));
    const { status, said, complained } = runProgram('promtool', ['test', 'rules', join(folder, 'test.yml')]);
    return status === 0 ? '' : `${said}${complained}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** How many alerts of this name and severity have fired. */
export const firing = (alert: string, severity: string): string =>
  `count(ALERTS{alertname="${alert}",severity="${severity}",alertstate="firing"})`;
