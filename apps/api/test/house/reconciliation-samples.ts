import { newId } from '#infra/kernel';
import { byAmountAndDay, csvHeaders, csvOf, newSource } from './books.js';
import type { Api, Call, Side } from './world.js';

type Sample = Omit<Call, 'method' | 'path'>;
type MakeSample = (api: Api, side: Side) => Promise<Sample> | Sample;

const owned =
  (sample: (side: Side) => Sample): MakeSample =>
  (_, side) => ({ token: side.owner.token, ...sample(side) });
const plain = owned(() => ({}));
const ofSource = owned(({ sourceIds }) => ({ params: { sourceId: sourceIds.left } }));
const ofStatement = owned(({ statementId }) => ({ params: { statementId } }));
const ofRun = owned(({ runId }) => ({ params: { runId } }));
const idempotencyKey = () => ({ 'idempotency-key': newId() });

let years = 2_000;
/** Asks for days that no other sample of a run asks for. */
const freshRun = ({ sourceIds: { left, right } }: Side) => {
  years -= 1;
  const from = `${years}-01-01`;
  return { leftSourceId: left, rightSourceId: right, ladder: byAmountAndDay, from, to: null };
};

/** Samples of the routes about sources, their files and what is matched of them. */
export const reconciliationSamples: Readonly<Record<string, MakeSample>> = {
  ReconciliationSourcesController_list: plain,
  ReconciliationSourcesController_create: owned(() => ({ headers: idempotencyKey(), body: newSource() })),
  ReconciliationSourcesController_get: ofSource,
  ReconciliationSourcesController_upload: owned(({ sourceIds }) => ({
    params: { sourceId: sourceIds.left },
    headers: csvHeaders,
    body: csvOf(`${newId()},2026-03-03,10.00,,`),
  })),
  ReconciliationStatementsController_list: plain,
  ReconciliationStatementsController_get: ofStatement,
  ReconciliationStatementsController_records: ofStatement,
  ReconciliationStatementsController_rejectedRows: ofStatement,
  ReconciliationRunsController_list: plain,
  ReconciliationRunsController_start: owned((side) => ({ headers: idempotencyKey(), body: freshRun(side) })),
  ReconciliationRunsController_get: ofRun,
  ReconciliationRunsController_matches: ofRun,
  ReconciliationRunsController_unmatched: owned(({ runId }) => ({ params: { runId }, query: { side: 'left' } })),
};
