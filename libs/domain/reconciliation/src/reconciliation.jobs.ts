import { z } from 'zod';
import { defineJob } from '#infra/queues';

const minuteMs = 60_000;

/** A million lines take about a minute; the rest is for a busy server. */
export const ingestStatement = defineJob({
  name: 'reconciliation.ingest',
  queue: 'reconciliation',
  payload: z.strictObject({ statementId: z.uuid() }),
  timeoutMs: 20 * minuteMs,
});

export const reconcileRun = defineJob({
  name: 'reconciliation.run',
  queue: 'reconciliation',
  payload: z.strictObject({ runId: z.uuid() }),
  timeoutMs: 20 * minuteMs,
});

export const reconciliationJobs = [ingestStatement, reconcileRun] as const;
