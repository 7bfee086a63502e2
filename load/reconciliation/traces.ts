import type { Run } from '../stack.js';
import { sql } from '../wholeness.js';

/** How often each trace of a finished ingest or run is there, seen by the superuser past row-level security. */
export interface Traces {
  readonly rows: number;
  /** Rows that say the same as another one. */
  readonly repeated: number;
  readonly facts: number;
  readonly events: number;
  /** Jobs, and those of them that are done. */
  readonly jobs: number;
  readonly done: number;
  /** Parts of an uploaded file, which are of no use once its lines are records. */
  readonly parts: number;
}

const marks = (fact: string, action: string, subject: string): string => `
  (select count(*) from outbox where tenant_id = $1 and kind = 'fact' and name = '${fact}'
     and payload ->> '${subject}' = $2::uuid::text)::int as facts,
  (select count(*) from audit_event where tenant_id = $1 and action = '${action}' and resource_id = $2::uuid
     and outcome = 'success')::int as events,
  (select count(*) from outbox where tenant_id = $1 and kind = 'job' and payload ->> '${subject}' = $2::uuid::text)::int as jobs,
  (select count(*) from outbox where tenant_id = $1 and kind = 'job' and payload ->> '${subject}' = $2::uuid::text
     and outcome = 'done')::int as done`;

const ofStatement = `
select count(*)::int as rows,
       (count(*) - count(distinct line_no))::int as repeated,
       (select count(*) from recon_upload_part where tenant_id = $1 and statement_id = $2::uuid)::int as parts,
       ${marks('statement.committed', 'reconciliation.commit', 'statementId')}
  from recon_record where tenant_id = $1 and statement_id = $2::uuid`;

/** A record that is in two matches of a leg has been used twice. */
const ofRun = `
select (select count(*) from recon_match where tenant_id = $1 and run_id = $2::uuid)::int as rows,
       (count(*) - count(distinct l.record_id))::int as repeated,
       0 as parts,
       ${marks('run.completed', 'reconciliation.complete_run', 'runId')}
  from recon_match_line l
 where l.tenant_id = $1 and l.leg_id = (select leg_id from recon_run where tenant_id = $1 and id = $2::uuid)`;

export const statementTraces = (own: Run, id: string): Promise<Traces> => traces(own, ofStatement, id);
export const runTraces = (own: Run, id: string): Promise<Traces> => traces(own, ofRun, id);

async function traces(own: Run, text: string, id: string): Promise<Traces> {
  const [row] = await sql<Traces>(own, text, [own.tenantId, id]);
  if (row === undefined) throw new Error('the shard did not answer');
  return row;
}

/** Once each, and nothing left over. */
export const isOnce = (found: Traces, rows: number): boolean =>
  found.rows === rows &&
  found.repeated + found.parts === 0 &&
  [found.facts, found.events, found.jobs, found.done].every(isOne);

const isOne = (n: number): boolean => n === 1;
