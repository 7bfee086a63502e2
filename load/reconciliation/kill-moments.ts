import { setTimeout as sleep } from 'node:timers/promises';
import { Gate, goneFrom, type Waiting } from '../gate.js';
import type { JobQueue } from '../job-queue.js';
import type { Run } from '../stack.js';
import { sql } from '../wholeness.js';
import type { BankCase } from './bank-case.js';
import type { BankFile } from './bank-files.js';

export const moments = ['in the middle', 'before the commit', 'after the commit'] as const;
export type Moment = (typeof moments)[number];

/** A job of the worker, the gates that it can be stopped at, and what it leaves behind. */
export interface Work {
  readonly name: 'ingest' | 'run';
  /** Field of the job's payload that names what it is about. */
  readonly subject: 'statementId' | 'runId';
  /** In front of its first step that changes anything. */
  closeStart(): Promise<Gate>;
  /** Asks for it through the API; the id of what it is about. */
  ask(): Promise<string>;
  /** Where about half of its rows are written. */
  closeMiddle(id: string): Promise<Gate>;
  /** Rows of it that are there for everybody to see. */
  stored(id: string): Promise<number>;
}

export interface Kill {
  readonly id: string;
  readonly jobId: string;
}

interface KillParts {
  readonly own: Run;
  readonly queue: JobQueue;
  readonly say: (line: string) => void;
}

const pollMs = 5;
const commitTimeoutMs = 60_000;
/** An acknowledgement that is on its way would be carried out within this time. */
const settleMs = 500;

/**
 * SIGKILL of the worker at this moment of the work, which is made certain: a lock that the work needs then stops it
 * there, or Redis takes no acknowledgement. Throws where the moment was missed. The worker is down afterwards.
 */
export async function killAt(moment: Moment, work: Work, parts: KillParts): Promise<Kill> {
  const { own } = parts;
  const start = await work.closeStart();
  try {
    const id = await work.ask();
    await start.arrival();
    const kill = { id, jobId: await jobOf(own, work, id) };
    if (moment === 'after the commit') await killAfterCommit(work, kill, start, parts);
    else await killBehind(moment, work, kill, start, parts);
    return kill;
  } finally {
    await start.open();
  }
}

async function jobOf(own: Run, { subject }: Work, id: string): Promise<string> {
  const rows = await sql<{ id: string }>(
    own,
    `select id from outbox where tenant_id = $1 and kind = 'job' and payload ->> $2 = $3`,
    [own.tenantId, subject, id],
  );
  if (rows.length !== 1 || rows[0] === undefined) throw new Error(`${rows.length} jobs for one ${subject}`);
  return rows[0].id;
}

/** `before the commit`: the mark in its own outbox row is the last thing that its transaction writes. */
async function killBehind(
  moment: Exclude<Moment, 'after the commit'>,
  work: Work,
  { id, jobId }: Kill,
  start: Gate,
  { own, say }: KillParts,
): Promise<void> {
  const row = 'select from outbox where tenant_id = $1 and id = $2 for update';
  const gate =
    moment === 'in the middle' ? await work.closeMiddle(id) : await Gate.close(own, row, [own.tenantId, jobId]);
  try {
    await start.open();
    const waiting = await gate.arrival();
    await workerOf(own).kill();
    await gate.open();
    await goneFrom(own, waiting.pid);
    const stored = await work.stored(id);
    say(`  ${work.name}, ${moment}: killed in ${described(waiting)}; ${stored} rows of it remain.`);
    if (stored > 0) throw new Error(`${stored} rows remain of a transaction that was not committed`);
  } finally {
    await gate.open();
  }
}

function described({ query, copied, written }: Waiting): string {
  const statement = query.trim().split(/\s+/).slice(0, 3).join(' ');
  const rows = copied === null ? '' : ` with ${copied} rows of this COPY taken`;
  return `"${statement} …"${rows}, its transaction having written to ${written.join(', ')}`;
}

async function killAfterCommit(
  work: Work,
  { id, jobId }: Kill,
  start: Gate,
  { own, queue, say }: KillParts,
): Promise<void> {
  await queue.pauseWrites();
  try {
    await start.open();
    await committed(own, jobId);
    await workerOf(own).kill();
  } finally {
    await sleep(settleMs);
    await queue.resume();
  }
  await sleep(settleMs);
  if (!(await queue.isUnderWay(jobId))) throw new Error('the job was acknowledged before the worker was killed');
  const stored = await work.stored(id);
  say(`  ${work.name}, after the commit: killed with ${stored} rows committed and its job still under way in Redis.`);
  if (stored === 0) throw new Error('nothing remains of what was committed');
}

async function committed(own: Run, jobId: string): Promise<void> {
  const endsAt = performance.now() + commitTimeoutMs;
  while (performance.now() < endsAt) {
    const [row] = await sql<{ outcome: string | null }>(
      own,
      'select outcome from outbox where tenant_id = $1 and id = $2',
      [own.tenantId, jobId],
    );
    if (row?.outcome === 'done') return;
    await sleep(pollMs);
  }
  throw new Error('the work was not committed in time');
}

export function workerOf({ stack }: Run) {
  const [worker] = stack.workers;
  if (worker === undefined) throw new Error('there is no worker');
  return worker;
}

/** The ingest of one file. */
export function ingestWork(own: Run, bank: BankCase, sourceId: string, file: BankFile): Work {
  const { tenantId } = own;
  const middleLine = Math.round(file.lines / 2) + 1;
  return {
    name: 'ingest',
    subject: 'statementId',
    closeStart: () =>
      Gate.close(own, 'select from recon_source where tenant_id = $1 and id = $2 for no key update', [
        tenantId,
        sourceId,
      ]),
    ask: async () => (await bank.upload(sourceId, file)).statement.id,
    closeMiddle: (id) =>
      Gate.close(
        own,
        `insert into recon_record (tenant_id, id, source_id, statement_id, line_no, business_date, amount_minor, currency,
           key_hash, occurrence_no, row_hash, content, created_at)
         values ($1, gen_random_uuid(), $2, $3, $4, current_date, 0, 'USD', uuid_send(gen_random_uuid()), 1,
           uuid_send(gen_random_uuid()), ''::bytea, now())`,
        [tenantId, sourceId, id, middleLine],
      ),
    stored: (id) =>
      count(own, 'select count(*)::int as n from recon_record where tenant_id = $1 and statement_id = $2', id),
  };
}

/** The run of a case; `recordId`: a record that it will match about half-way. */
export function runWork(own: Run, bank: BankCase, recordId: string): Work {
  return {
    name: 'run',
    subject: 'runId',
    closeStart: () => Gate.close(own, 'lock table recon_record in access exclusive mode'),
    ask: async () => (await bank.start()).id,
    closeMiddle: (id) =>
      Gate.close(
        own,
        `insert into recon_leg_state (tenant_id, id, leg_id, record_id, amount_minor, open_minor, ordinal)
         select tenant_id, gen_random_uuid(), leg_id, $3, 1, 0, 1 from recon_run where tenant_id = $1 and id = $2`,
        [own.tenantId, id, recordId],
      ),
    stored: (id) => count(own, 'select count(*)::int as n from recon_match where tenant_id = $1 and run_id = $2', id),
  };
}

async function count(own: Run, text: string, id: string): Promise<number> {
  const [row] = await sql<{ n: number }>(own, text, [own.tenantId, id]);
  return row?.n ?? Number.NaN;
}
