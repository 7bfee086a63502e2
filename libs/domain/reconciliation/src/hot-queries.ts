import { newId } from '#infra/kernel';
import type { HotQuery } from '#infra/sharding';
import type { LocalDate } from '#infra/time';
import { MatchesRepository } from './matches.repository.js';
import { RecordsRepository } from './records.repository.js';
import type { LegId, RunId } from './run.js';
import { RunsRepository } from './runs.repository.js';
import type { SourceId } from './source.js';
import { SourcesRepository } from './sources.repository.js';
import type { StatementId } from './statement.js';
import { StatementsRepository } from './statements.repository.js';
import { TakingsRepository } from './takings.repository.js';

const records = new RecordsRepository();
const statements = new StatementsRepository();
const matches = new MatchesRepository();
const takings = new TakingsRepository();
const month = { from: '2026-12-01' as LocalDate, to: '2026-12-31' as LocalDate };
const page = { limit: 50, after: null };
const base = '/api/v1/reconciliation';
const anyOf = (table: string) => `select id from ${table} where tenant_id = $1 limit 1`;

/** What `praxis explain` offers of this domain, and what the tests of plans walk. */
export const reconciliationQueries: readonly HotQuery[] = [
  {
    name: 'reconciliation.sources',
    place: 'shard',
    lists: `GET ${base}/sources`,
    run: (tx) => new SourcesRepository().list(tx, page),
  },
  {
    name: 'reconciliation.statements',
    place: 'shard',
    lists: `GET ${base}/statements`,
    run: (tx) => statements.list(tx, page, null),
  },
  {
    name: 'reconciliation.statements_of_source',
    place: 'shard',
    lists: `GET ${base}/statements`,
    pick: anyOf('recon_source'),
    run: (tx, sourceId: SourceId) => statements.list(tx, page, sourceId),
  },
  {
    name: 'reconciliation.records',
    place: 'shard',
    lists: `GET ${base}/statements/{id}/records`,
    pick: anyOf('recon_statement'),
    run: (tx, id: StatementId) => records.ofStatement(tx, id, page),
  },
  {
    name: 'reconciliation.rejected_rows',
    place: 'shard',
    lists: `GET ${base}/statements/{id}/rejected-rows`,
    pick: anyOf('recon_statement'),
    run: (tx, id: StatementId) => records.rejectedOf(tx, id, page),
  },
  {
    name: 'reconciliation.runs',
    place: 'shard',
    lists: `GET ${base}/runs`,
    run: (tx) => new RunsRepository().list(tx, page),
  },
  {
    name: 'reconciliation.matches',
    place: 'shard',
    lists: `GET ${base}/runs/{id}/matches`,
    pick: anyOf('recon_run'),
    run: (tx, id: RunId) => matches.ofRun(tx, id, page),
  },
  {
    name: 'reconciliation.unmatched',
    place: 'shard',
    lists: `GET ${base}/runs/{id}/unmatched`,
    pick: anyOf('recon_source'),
    run: (tx, source: SourceId) => {
      const scope = { leftSourceId: source, rightSourceId: source, statementIds: [newId<StatementId>()] };
      const run = { ...scope, from: null, to: null, legId: newId<LegId>(), ordinal: 1 };
      return matches.openAfter(tx, run, 'left', page);
    },
  },
  {
    name: 'reconciliation.takings',
    place: 'shard',
    pick: anyOf('recon_source'),
    run: (tx, sourceId: SourceId) => takings.days(tx, [sourceId], month),
  },
];
