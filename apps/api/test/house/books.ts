import { newId, type TenantContext } from '#infra/kernel';
import type { Api, Call } from './api.js';
import { doJobs } from './jobs.js';

/** What every tenant's till and bank look like here. */
export const newSource = (code = `till-${newId()}`, currency = 'USD') => ({
  code,
  name: 'Till',
  kind: 'pos',
  mapping: {
    externalId: 'Id',
    date: 'Date',
    amount: 'Amount',
    reference: 'Reference',
    memo: 'Memo',
    dateFormat: 'YYYY-MM-DD',
    decimal: '.',
    currency,
    sign: 'as_is',
  },
});

export const header = 'Id,Date,Amount,Reference,Memo';
export const csvOf = (...lines: readonly string[]): string => `${[header, ...lines].join('\r\n')}\r\n`;
/** By amount and day, whatever the two sides call it. */
export const byAmountAndDay = [[{ field: 'amount' }, { field: 'date' }]] as const;

export const uploadPath = '/api/v1/reconciliation/sources/{sourceId}/statements';
export const csvHeaders = { 'content-type': 'text/csv' };

interface Owned {
  readonly ctx: TenantContext;
  readonly owner: { readonly token: string };
}

/** What a tenant has of reconciliation. */
export interface Books {
  readonly sourceIds: Readonly<Record<'left' | 'right', string>>;
  /** Of the left source. */
  readonly statementId: string;
  readonly runId: string;
}

/** A till and a bank, a file of each, and a run over both that matched one record and left one open. */
export async function makeBooks(api: Api, side: Owned): Promise<Books> {
  const { token } = side.owner;
  const must = async (call: Omit<Call, 'method' | 'token'>) =>
    (await api.must({ method: 'POST', token, ...call })).json.id as string;
  const source = (code: string) => must({ path: '/api/v1/reconciliation/sources', body: newSource(code) });
  const upload = (sourceId: string, body: string) =>
    must({ path: uploadPath, params: { sourceId }, headers: csvHeaders, body });
  const sourceIds = { left: await source('till'), right: await source('bank') };
  const statementId = await upload(
    sourceIds.left,
    csvOf('T-1,2026-03-01,120.00,INV 1,Facial', 'T-2,2026-03-02,99.50,INV 2,Peel', 'T-3,no day,1.00,,'),
  );
  await upload(sourceIds.right, csvOf('B-1,2026-03-01,120.00,INV 1,Facial'));
  await doJobs(api, side);
  const asked = { leftSourceId: sourceIds.left, rightSourceId: sourceIds.right, ladder: byAmountAndDay };
  const runId = await must({ path: '/api/v1/reconciliation/runs', body: asked });
  await doJobs(api, side);
  return { sourceIds, statementId, runId };
}
