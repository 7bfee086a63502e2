import { stringify } from 'yaml';
import type { Alert, BurnWindow, Grade, Measure, Thresholds } from './thresholds.js';

interface Recording {
  readonly record: string;
  readonly expr: string;
}

interface Alerting {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<'severity', string>>;
  readonly annotations: Readonly<Record<'summary' | 'runbook', string>>;
}

const madeFrom = '# Made from thresholds.yml: see there. Do not edit.\n';

/** rules.yml: what is recorded first, then what is told, in one group, so that an alert sees what was recorded just before. */
export function rulesText({ measures, alerts, slo }: Thresholds): string {
  const recorded = Object.entries(measures).map(([name, measure]) => recordingOf(name, measure));
  const told = alerts.flatMap((alert) => alertsOf(alert, measures[alert.measure]));
  const groups = [
    { name: 'praxis', rules: [...recorded, ...told] },
    { name: 'praxis-budget', rules: budgetRules(slo) },
  ];
  return madeFrom + stringify({ groups }, { lineWidth: 0 });
}

const recordingOf = (name: string, { expr }: Measure): Recording => ({ record: recordedAs(name), expr });
export const recordedAs = (measure: string): string => `praxis:${measure}`;

function alertsOf({ name, measure, grades }: Alert, measured: Measure | undefined): readonly Alerting[] {
  if (measured === undefined) throw new Error(`${name}: nothing is measured as ${measure}`);
  return grades.map(({ severity, above, for: duration }: Grade) => ({
    alert: name,
    expr: `${recordedAs(measure)} > ${above}`,
    for: duration,
    labels: { severity },
    annotations: { summary: summaryOf(measure, measured.says, above), runbook: runbookOf(name) },
  }));
}

function summaryOf(measure: string, says: string, above: number): string {
  if (above === 0) return says;
  const { format, limit } = formOf(measure, above);
  return `${says}: {{ $value | ${format} }}, more than ${limit}`;
}

/** How a number of this measure is written, from the end of its name. */
function formOf(measure: string, above: number): { readonly format: string; readonly limit: string } {
  if (measure.endsWith('_seconds')) return { format: 'humanizeDuration', limit: `${above} s` };
  if (measure === 'edge_sources_ratio') return { format: 'humanize', limit: String(above) };
  return { format: 'humanizePercentage', limit: `${Math.round(above * 1_000) / 10} %` };
}

const runbookOf = (alert: string): string => `docs/runbook/alerts.md#${alert.toLowerCase()}`;

const failureRatio = (window: string): string => `praxis:edge_failure_ratio:${window}`;

/** Two windows for each speed of burning: the long one must have lost enough, the short one must still be losing. */
function budgetRules({ name, objective, failed, all, windows }: Thresholds['slo']): readonly (Recording | Alerting)[] {
  const durations = [...new Set(windows.flatMap(({ short, long }) => [short, long]))];
  const recorded = durations.map((window) => ({
    record: failureRatio(window),
    expr: `sum(rate(${failed}[${window}])) / sum(rate(${all}[${window}]))`,
  }));
  const told = windows.map(({ severity, long, short, factor, budget }: BurnWindow) => {
    const limit = Number((factor * (1 - objective)).toPrecision(6));
    const summary = `share of answers that fail: {{ $value | humanizePercentage }}; ${budget} of 30 days’ allowance within ${long}`;
    return {
      alert: name,
      expr: `${failureRatio(long)} > ${limit} and ${failureRatio(short)} > ${limit}`,
      labels: { severity },
      annotations: { summary, runbook: runbookOf(name) },
    };
  });
  return [...recorded, ...told];
}
