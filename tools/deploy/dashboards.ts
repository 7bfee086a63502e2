import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '#infra/testing';
import type { Thresholds } from './thresholds.js';

export interface Panel {
  readonly title: string;
  /** Grafana’s name of it. */
  readonly unit: string;
  /** Legend → expression. */
  readonly ask: Readonly<Record<string, string>>;
  /** The alert whose limits are drawn. */
  readonly limits?: string;
}

/** Dashboards by title, each a list of rows of panels. */
export type Dashboards = Readonly<Record<string, readonly (readonly Panel[])[]>>;

export const readDashboards = (): Dashboards =>
  parse(readFileSync(join(projectRoot(), 'deploy/grafana/panels.yml'), 'utf8')) as Dashboards;

const gridColumns = 24;
const panelHeight = 8;
/** As deploy/grafana/provisioning/datasources names it. */
const datasource = { type: 'prometheus', uid: 'prometheus' };
const colours = { warning: 'orange', high: 'red', critical: 'dark-red' } as const;

/** File name → what Grafana reads. */
export const dashboardFiles = (
  dashboards: Dashboards,
  alerts: Thresholds['alerts'],
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(dashboards).map(([title, rows]) => {
      const uid = `praxis-${title.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
      return [`${uid}.json`, `${JSON.stringify(dashboardOf(uid, title, rows, alerts), null, 1)}\n`];
    }),
  );

function dashboardOf(uid: string, title: string, rows: readonly (readonly Panel[])[], alerts: Thresholds['alerts']) {
  const panels = rows.flatMap((row, y) =>
    row.map((panel, n) => {
      const w = gridColumns / row.length;
      return panelOf(panel, { x: n * w, y: y * panelHeight, w, h: panelHeight }, alerts);
    }),
  );
  return {
    uid,
    title,
    tags: ['praxis'],
    editable: false,
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    panels: panels.map((panel, n) => ({ id: n + 1, ...panel })),
  };
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

function panelOf({ title, unit, ask, limits }: Panel, gridPos: Place, alerts: Thresholds['alerts']) {
  const targets = Object.entries(ask).map(([legendFormat, expr], n) => ({
    refId: String.fromCharCode(65 + n),
    datasource,
    expr,
    legendFormat,
  }));
  const defaults = { unit, min: 0, ...(limits === undefined ? {} : limitsOf(limits, alerts)) };
  return { type: 'timeseries', title, gridPos, datasource, fieldConfig: { defaults, overrides: [] }, targets };
}

/** A line across the panel for each grade that somebody is told of. */
function limitsOf(name: string, alerts: Thresholds['alerts']) {
  const alert = alerts.find((one) => one.name === name);
  if (alert === undefined) throw new Error(`there is no alert ${name}`);
  const steps = alert.grades.flatMap(({ severity, above }) =>
    severity === 'info' ? [] : [{ value: above, color: colours[severity] }],
  );
  return {
    custom: { thresholdsStyle: { mode: 'line' } },
    thresholds: { mode: 'absolute', steps: [{ value: null, color: 'transparent' }, ...steps] },
  };
}
