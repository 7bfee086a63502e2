import { toDate } from '#infra/kernel';
import type { DatabaseStatus, MigrationStatus } from '#infra/sharding';

/** One row for each database and one for each build that runs. */
export function statusLines({ databases, builds }: MigrationStatus): readonly string[] {
  const head = ['database', 'version', 'state', 'attempts', 'started', 'finished', ''];
  const running = builds.map(
    ({ app, processes, directory, shard }) =>
      `running: ${processes} × ${app}, knows directory ${directory} and shards ${shard}`,
  );
  return [...table([head, ...databases.map(statusRow)]), ...running];
}

/** What a run would do, in its order. */
export function planLines({ databases, canary }: MigrationStatus, contract: boolean): readonly string[] {
  const first = (name: string) => (name === 'directory' ? 0 : name === canary ? 1 : 2);
  const ordered = databases.toSorted((one, other) => first(one.name) - first(other.name));
  const lines = ordered.flatMap(({ name, error, pending }) => {
    if (error !== null) return [`${name}: AWAY: ${error}`];
    return pending.map((step) => {
      const waits = step.phase === 'contract' && !contract ? ', only with --contract' : '';
      return `${name}: ${step.name} (${step.phase}${waits})`;
    });
  });
  return lines.length === 0
    ? ['nothing to do']
    : [...lines, `order: directory, ${canary ?? 'no shard'}, then two by two`];
}

function statusRow({ name, version, error, pending, step }: DatabaseStatus): string[] {
  const state = error !== null ? 'AWAY' : stateOf(step, pending);
  const note = error ?? (step === null || step.state === 'done' ? '' : `${step.name}${progressOf(step)}`);
  return [
    name,
    version === null ? '-' : String(version),
    state,
    String(step?.attempts ?? '-'),
    timeOf(step?.startedAt),
    timeOf(step?.finishedAt),
    note,
  ];
}

function stateOf(step: DatabaseStatus['step'], pending: DatabaseStatus['pending']): string {
  if (step !== null && step.state !== 'done') return step.state;
  const due = pending.filter(({ phase }) => phase !== 'contract').length;
  if (due > 0) return `${due} to run`;
  return pending.length === 0 ? 'up to date' : `${pending.length} to contract`;
}

function progressOf({ rows, rowsExpected, error }: NonNullable<DatabaseStatus['step']>): string {
  const done = rows === 0 ? '' : `, ${rows} of about ${rowsExpected ?? 'unknown'} rows`;
  return `${done}${error === null ? '' : `: ${error}`}`;
}

const timeOf = (at: number | null | undefined): string =>
  at == null ? '-' : toDate(at).toISOString().slice(0, 19).replace('T', ' ');

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, n) => Math.max(...rows.map((row) => row[n]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, n) => cell.padEnd(widths[n] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
