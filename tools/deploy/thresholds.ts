import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '#infra/testing';

export interface Measure {
  /** In words, without its unit. */
  readonly says: string;
  readonly expr: string;
}

export interface Grade {
  readonly severity: 'info' | 'warning' | 'high' | 'critical';
  readonly above: number;
  /** As Prometheus writes durations. */
  readonly for: string;
}

export interface Alert {
  readonly name: string;
  readonly measure: string;
  readonly grades: readonly Grade[];
}

export interface BurnWindow extends Pick<Grade, 'severity'> {
  readonly long: string;
  readonly short: string;
  /** How many times faster than allowed failures come. */
  readonly factor: number;
  /** Of the allowance of 30 days, what the long window has then used up. */
  readonly budget: string;
}

/** What deploy/prometheus/thresholds.yml says. */
export interface Thresholds {
  readonly measures: Readonly<Record<string, Measure>>;
  readonly alerts: readonly Alert[];
  readonly slo: {
    readonly name: string;
    readonly objective: number;
    readonly failed: string;
    readonly all: string;
    readonly windows: readonly BurnWindow[];
  };
}

export const thresholdsText = (): string =>
  readFileSync(join(projectRoot(), 'deploy/prometheus/thresholds.yml'), 'utf8');

export const readThresholds = (text = thresholdsText()): Thresholds => parse(text) as Thresholds;
