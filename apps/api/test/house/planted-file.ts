import { newId } from '#infra/kernel';
import { byAmountAndDay, csvHeaders, csvOf, newSource, uploadPath } from './books.js';
import { doJobs } from './jobs.js';
import type { Answer, Api, Side } from './world.js';

const base = '/api/v1/reconciliation';

export interface PlantedFile {
  /** Answers to those who may see it. */
  readonly shown: readonly Answer[];
  readonly refused: readonly Answer[];
  /** How its jobs ended. */
  readonly ends: readonly string[];
}

type WithBrokenTable = (table: string, work: () => Promise<unknown>) => Promise<void>;

/**
 * A name in every column of a file: of records that are matched, left open, sent again and rejected; then in files and
 * requests that are refused; then where a table is missing, during the upload, the ingest and the run.
 */
export async function plantFile(api: Api, side: Side, name: string, broken: WithBrokenTable): Promise<PlantedFile> {
  const { token } = side.owner;
  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    api.call({ method, path: `${base}/${path}`, token, headers, ...(body === undefined ? {} : { body }) });
  const source = async () => (await call('POST', 'sources', newSource())).json.id as string;
  const upload = (sourceId: string, body: string, headers: Record<string, string> = csvHeaders) =>
    api.call({ method: 'POST', path: uploadPath, params: { sourceId }, token, headers, body });
  const [left, right] = [await source(), await source()];
  const asked = (from: string) => ({ leftSourceId: left, rightSourceId: right, ladder: byAmountAndDay, from });
  const matched = `${name} A,2026-04-01,10.00,${name} B,"${name}, ""C"""`;
  const line = (id: string, day: string, amount = '12.34') => `${name} ${id},${day},${amount},${name},${name}`;

  const file = await upload(
    left,
    csvOf(matched, matched, line('open', '2026-04-02'), line('A', '2026-04-03'), line('no day', name, name)),
  );
  const ragged = await upload(left, `${csvOf(matched, `${name},${name}`)}"${name},never closed`);
  const headless = await upload(left, `${name},${name}\r\n${name},${name}\r\n`);
  await upload(right, csvOf(line('bank', '2026-04-01', '10.00')));
  const ends = [...(await doJobs(api, side))];
  const run = await call('POST', 'runs', asked('2026-01-01'));
  ends.push(...(await doJobs(api, side)));
  const shown = [
    await call('GET', `statements/${file.json.id}/records`),
    await call('GET', `statements/${file.json.id}/rejected-rows`),
    await call('GET', `statements/${ragged.json.id}/rejected-rows`),
    await call('GET', `runs/${run.json.id}/unmatched?side=left`),
  ];
  const refused = [
    await call('GET', `statements/${headless.json.id}`),
    await call('GET', `runs/${run.json.id}/matches`),
    await upload(left, matched, { 'content-type': `text/csv; header=${name}`, 'content-encoding': 'gzip' }),
    await upload(left, matched, { 'content-type': 'application/json' }),
    await upload(name, matched),
    await upload(newId(), csvOf(matched)),
    await call('POST', 'runs', { ...asked(name), ladder: [[{ field: name }]], [name]: name }),
    await call('GET', `runs/${run.json.id}/unmatched?side=${encodeURIComponent(name)}`),
  ];
  const lost = csvOf(line('lost', '2026-04-04'));
  await broken('recon_upload_part', async () => refused.push(await upload(left, lost)));
  await broken('recon_record', async () => {
    await upload(left, lost);
    ends.push(...(await doJobs(api, side)));
    refused.push(await call('GET', `statements/${file.json.id}/records`));
  });
  ends.push(...(await doJobs(api, side)));
  await broken('recon_leg_state', async () => {
    await call('POST', 'runs', asked('2026-01-02'));
    ends.push(...(await doJobs(api, side)));
    refused.push(await call('GET', `runs/${run.json.id}/unmatched?side=left`));
  });
  return { shown, refused, ends };
}
