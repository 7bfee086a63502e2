import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '#infra/testing';
import { dashboardFiles, readDashboards } from './dashboards.js';
import { rulesText } from './rules.js';
import { readThresholds } from './thresholds.js';

/** The generated files by path from the root of the project. */
export function monitoringFiles(): Readonly<Record<string, string>> {
  const thresholds = readThresholds();
  const dashboards = Object.entries(dashboardFiles(readDashboards(), thresholds.alerts));
  return {
    'deploy/prometheus/rules.yml': rulesText(thresholds),
    ...Object.fromEntries(dashboards.map(([file, text]) => [`deploy/grafana/dashboards/${file}`, text])),
  };
}

/** Paths whose text is not what their sources say now. */
export const staleMonitoringFiles = (): readonly string[] =>
  Object.entries(monitoringFiles()).flatMap(([path, text]) => (read(path) === text ? [] : [path]));

function read(path: string): string | undefined {
  try {
    return readFileSync(join(projectRoot(), path), 'utf8');
  } catch {
    return undefined;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  for (const [path, text] of Object.entries(monitoringFiles())) writeFileSync(join(projectRoot(), path), text);
