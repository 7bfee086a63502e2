import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '#infra/testing';
import { seriesOf } from './deploy/measured-series.js';
import { type Course, firing, mistakesIn, runProgram } from './deploy/promtool.js';
import { rulesText } from './deploy/rules.js';
import { type Grade, readThresholds, thresholdsText } from './deploy/thresholds.js';
import { staleMonitoringFiles } from './deploy/write-rules.js';

const thresholds = readThresholds();
const rules = rulesText(thresholds);
const graded = thresholds.alerts.flatMap(({ name, measure, grades }) =>
  grades.map((grade) => ({ name, measure, ...grade })),
);

const secondsOf = (duration: string): number => Number.parseInt(duration, 10) * (duration.endsWith('h') ? 3_600 : 60);
/** Long enough for every rate to have its value, and for `for` to pass once more. */
const laterThan = ({ for: duration }: Pick<Grade, 'for'>): string => `${2 * secondsOf(duration) + 120}s`;
const before = ({ for: duration }: Pick<Grade, 'for'>): string => `${secondsOf(duration) - 30}s`;

/** A limit has passed for as long as the grade says, and not yet; and never where the value stays at `under`. */
function coursesOf(name: string, measure: string, grade: Grade, over: number, under: number): readonly Course[] {
  const series = seriesOf[measure];
  if (series === undefined) throw new Error(`no series for ${measure}`);
  const expr = firing(name, grade.severity);
  const at = laterThan(grade);
  return [
    {
      input: series(over),
      expect: [
        { at: before(grade), expr, value: undefined },
        { at, expr, value: 1 },
      ],
    },
    { input: series(under), expect: [{ at, expr, value: undefined }] },
  ];
}

function gradeOf(name: string, severity: Grade['severity']) {
  const found = graded.find((one) => one.name === name && one.severity === severity);
  if (found === undefined) throw new Error(`there is no ${severity} ${name}`);
  return found;
}

/** Of one grade: it fires at `over` for its time, and not at `under`. */
const mistakesOf = (name: string, severity: Grade['severity'], over: number, under: number): string => {
  const grade = gradeOf(name, severity);
  return mistakesIn(rules, coursesOf(name, grade.measure, grade, over, under));
};

describe('The rules', () => {
  it('[C-048] are what thresholds.yml says: run write-rules after a change, and another limit makes another rule', () => {
    expect(staleMonitoringFiles()).toEqual([]);
    const changed = rulesText(readThresholds(thresholdsText().replace('above: 0.70, for: 5m', 'above: 0.65, for: 9m')));
    expect(changed).toContain('praxis:cpu_use > 0.65\n        for: 9m');
    expect(
      mistakesIn(
        changed,
        coursesOf('ProcessorUse', 'cpu_use', { severity: 'warning', above: 0.65, for: '9m' }, 0.66, 0.64),
      ),
    ).toBe('');
  });

  it('and their configuration are taken by Prometheus', () => {
    expect(runProgram('promtool', ['check', 'rules', 'deploy/prometheus/rules.yml'])).toMatchObject({ status: 0 });
    const checked = runProgram('promtool', ['check', 'config', 'deploy/prometheus/prometheus.yml']);
    expect(checked).toMatchObject({ status: 0 });
    expect(checked.said).toContain('1 rule files found');
  });
});

/** Requirements that are one grade, with their own numbers where they name some. */
const required: Readonly<Record<string, readonly [ids: string, over?: number, under?: number]>> = {
  'ProcessorUse warning': ['[C-102] [C-122]'],
  'ProcessorUse high': ['[D-109]', 0.81, 0.79],
  'ProcessorUse critical': ['[C-118]'],
  'MemoryUse warning': ['[C-103] [C-123] [D-108]', 0.81, 0.79],
  'MemoryUse critical': ['[C-119]'],
  'DatabasePoolUse warning': ['[A-076] [B-068] [C-104] [E-107]', 0.81, 0.79],
  'DatabaseLatency critical': ['[A-075]', 1.1, 0.9],
  'RedisNodeDown critical': ['[A-077]'],
  'CacheMisses info': ['[C-105]', 0.16, 0.14],
  'CacheMisses warning': ['[A-078]'],
  'CacheMissesOverall warning': ['[B-069]'],
  'RequestQueue warning': ['[B-070]', 0.81, 0.79],
  'CacheMissesOverall critical': ['[E-108]', 0.41, 0.39],
  'AnswerTime warning': ['[B-071]'],
  'AnswerTimeP95 warning': ['[C-125]'],
  'AnswerTimeP95 critical': ['[C-121]'],
  'RouteTimeP95 info': ['[D-106]'],
  'ErrorRatio warning': ['[A-074] [B-072] [C-124]'],
  'ErrorRatio critical': ['[C-120]'],
};

/** Each grade but that of a whole day, which has a test of its own. */
const cases = graded
  .filter(({ measure }) => measure !== 'edge_sources_ratio')
  .map((grade) => {
    const { name, severity, above } = grade;
    const step = above === 0 ? 1 : Math.min(0.01, above / 10);
    const [ids, over = above + step, under = Math.max(0, above - step)] = required[`${name} ${severity}`] ?? [];
    const says = `${name} is ${severity} at ${over} for ${grade.for}, not sooner, and not at ${under}`;
    return { title: [...(ids ? [ids] : []), says].join(' '), grade, over, under };
  });

describe('An alert', () => {
  it.each(cases)('$title', ({ grade: { name, severity }, over, under }) => {
    expect(mistakesOf(name, severity, over, under)).toBe('');
  });

  it('[D-110] of a pool is critical at 91 %, and at 81 % a warning only', () => {
    const [warning, critical] = [firing('DatabasePoolUse', 'warning'), firing('DatabasePoolUse', 'critical')];
    const at = '10m';
    const courses = [
      { input: seriesOf.pool_use!(0.91), expect: [{ at, expr: critical, value: 1 }] },
      {
        input: seriesOf.pool_use!(0.81),
        expect: [
          { at, expr: warning, value: 1 },
          { at, expr: critical, value: undefined },
        ],
      },
    ];
    expect(mistakesIn(rules, courses)).toBe('');
  });

  it('[C-141] tells of a fifth of requests refused, and of ten times the sources of the last day', () => {
    expect(mistakesOf('Refusals', 'warning', 0.21, 0.19)).toBe('');
    const expr = firing('UnusualSources', 'warning');
    // A day of the usual number, then seven minutes of another one.
    const sources = (table: string, usual: number, now: number) => ({
      series: `haproxy_sticktable_used{name="per_source",instance="${table}"}`,
      values: `${usual}+0x1500 ${now}+0x30`,
    });
    const input = [sources('a', 100, 1_001), sources('b', 100, 999), sources('c', 1, 201), sources('d', 1, 199)];
    const found = ['a', 'b', 'c', 'd'].map((table) => ({
      at: '1508m',
      expr: expr.replace('}', `,instance="${table}"}`),
      value: table === 'a' || table === 'c' ? 1 : undefined,
    }));
    const courses = [{ input, expect: found }];
    expect(mistakesIn(rules, courses, 60)).toBe('');
  }, 60_000);

  it('says in words what is wrong, and where it is written what to do', () => {
    const file = parse(rules) as { groups: { rules: { alert?: string; annotations?: Record<string, string> }[] }[] };
    const told = file.groups.flatMap((group) => group.rules).filter(({ alert }) => alert !== undefined);
    expect(told).toHaveLength(graded.length + thresholds.slo.windows.length);
    for (const { alert, annotations } of told) {
      expect(annotations?.summary).toMatch(/^\S.{10,}/);
      expect(annotations?.runbook).toBe(`docs/runbook/alerts.md#${alert?.toLowerCase()}`);
    }
    expect(told.find(({ alert }) => alert === 'DatabasePoolUse')?.annotations?.summary).toBe(
      "share of a database pool's connections in use, of one process: {{ $value | humanizePercentage }}, more than 80 %",
    );
  });

  it('stands in the runbook, with where to look and what to do', () => {
    const page = readFileSync(join(projectRoot(), 'docs/runbook/alerts.md'), 'utf8');
    const names = [...thresholds.alerts.map(({ name }) => name), thresholds.slo.name];
    const headings = [...page.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
    expect(headings).toEqual(names);
    for (const section of page.split(/^## /m).slice(1)) expect(section).toMatch(/\nLook: .*`[\s\S]*\nDo: /);
  });
});

describe('The allowance of failures, 1 of 1,000 answers', () => {
  const [hour, sixHours] = [firing('AvailabilityBudget', 'critical'), firing('AvailabilityBudget', 'high')];
  /** Answers at the edge with that share of failures, minute by minute. */
  const edge = (stretches: readonly (readonly [minutes: number, failing: number])[]) => {
    const course = (perMinute: (failing: number) => number): string => {
      let total = 0;
      return stretches
        .map(([minutes, failing]) => {
          const from = total;
          total += perMinute(failing) * minutes;
          return `${from}+${perMinute(failing)}x${minutes - 1}`;
        })
        .join(' ');
    };
    return [
      { series: 'haproxy_frontend_http_responses_total{proxy="edge",code="5xx"}', values: course((f) => 100_000 * f) },
      {
        series: 'haproxy_frontend_http_responses_total{proxy="edge",code="2xx"}',
        values: course((f) => 100_000 * (1 - f)),
      },
      { series: 'haproxy_frontend_http_responses_total{proxy="operators",code="5xx"}', values: '0+1000000x1000' },
    ];
  };
  const found = (at: string, critical: number | undefined, high: number | undefined) => [
    { at, expr: hour, value: critical },
    { at, expr: sixHours, value: high },
  ];

  it('[D-107] is watched in windows of 1 h and 5 min, 6 h and 30 min', () => {
    const courses: Course[] = [
      { input: edge([[420, 0.0145]]), expect: found('400m', 1, 1) },
      { input: edge([[420, 0.0143]]), expect: found('400m', undefined, 1) },
      { input: edge([[420, 0.0061]]), expect: found('400m', undefined, 1) },
      { input: edge([[420, 0.0059]]), expect: found('400m', undefined, undefined) },
    ];
    expect(mistakesIn(rules, courses, 60)).toBe('');
  }, 60_000);

  it('makes no noise of a short trouble, and is silent soon after a long one', () => {
    const short = edge([
      [360, 0],
      [3, 0.1],
      [120, 0],
    ]);
    const long = edge([
      [360, 0],
      [60, 0.1],
      [120, 0],
    ]);
    const courses: Course[] = [
      { input: short, expect: found('363m', undefined, undefined) },
      {
        input: long,
        expect: [...found('419m', 1, 1), ...found('426m', undefined, 1), ...found('452m', undefined, undefined)],
      },
    ];
    expect(mistakesIn(rules, courses, 60)).toBe('');
  }, 60_000);
});

describe('Alertmanager', () => {
  // The program of this machine may be older than `url_file`, which came with 0.26.
  const folder = mkdtempSync(join(tmpdir(), 'alertmanager-'));
  const config = join(folder, 'alertmanager.yml');
  beforeAll(() => {
    const text = readFileSync(join(projectRoot(), 'deploy/prometheus/alertmanager.yml'), 'utf8');
    expect(text).toContain('url_file: /run/secrets/alert_webhook_url');
    writeFileSync(config, text.replace('url_file: /run/secrets/alert_webhook_url', 'url: http://127.0.0.1:1/'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('takes its configuration, and sends everything but what is for dashboards only', () => {
    expect(runProgram('amtool', ['check-config', config])).toMatchObject({ status: 0 });
    const receiverOf = (severity: string): string =>
      runProgram('amtool', ['config', 'routes', 'test', `--config.file=${config}`, `severity=${severity}`]).said.trim();
    expect(['info', 'warning', 'high', 'critical'].map(receiverOf)).toEqual(['nobody', ...Array(3).fill('operators')]);
  });
});
