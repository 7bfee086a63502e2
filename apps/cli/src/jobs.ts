import { parseArgs } from 'node:util';
import { newId, systemClock, toDate } from '#infra/kernel';
import { type DeadJob, deadJobsMax, listDeadJobs } from '#infra/queues';
import { Sharding } from '#infra/sharding';
import { type Command, UsageError } from './command.js';
import { withProduct } from './product.js';

const deadlineMs = 30_000;
const usualLimit = '50';

/** One line per job, or one document; which databases did not answer goes to stderr, and the exit code says so too. */
export const jobsDeadCommand: Command = {
  words: 'jobs dead',
  usage: 'jobs dead [--limit 50] [--cursor C] [--json]',
  summary: 'work that was given up, of all tenants, the newest first; --cursor goes on where the page before ended',
  async run(args) {
    const { limit, cursor, json } = read(args);
    await withProduct(async (product) => {
      const ctx = {
        requestId: newId(),
        actor: { kind: 'system', name: 'operator:jobs dead' },
        tenant: null,
        deadline: systemClock.now() + deadlineMs,
      } as const;
      const page = await listDeadJobs(product.get(Sharding), ctx, { limit, cursor });
      const away = page.databases.filter(({ ok }) => !ok);
      if (json) console.log(JSON.stringify(page));
      else for (const job of page.jobs) console.log(lineOf(job));
      for (const { id, error } of away) console.error(`${id} did not answer (${error}): what it holds comes later`);
      if (!json && page.cursor !== null)
        console.error(`more: praxis jobs dead --limit ${limit} --cursor ${page.cursor}`);
      if (away.length > 0) process.exitCode = 1;
    });
  },
};

function lineOf({ deadAt, database, tenantId, name, id, attempts, errorCode }: DeadJob): string {
  const parts = [toDate(deadAt).toISOString(), database, `tenant ${tenantId}`, name, id, `${attempts} attempts`];
  return [...parts, errorCode ?? 'no code'].join('  ');
}

function read(args: readonly string[]) {
  const { values } = parse(args);
  const limit = Number(values.limit ?? usualLimit);
  if (!Number.isInteger(limit) || limit < 1 || limit > deadJobsMax)
    throw new UsageError(`--limit must be 1 to ${deadJobsMax}`);
  return { limit, cursor: values.cursor ?? null, json: values.json === true };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ args: [...args], options: { limit: text, cursor: text, json: { type: 'boolean' } } });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'options not understood');
  }
}
