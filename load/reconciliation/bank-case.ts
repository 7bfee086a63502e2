import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api-client.js';
import type { BankFile } from './bank-files.js';

interface CountAndSum {
  readonly count: number;
  readonly sum: { readonly amountMinor: number };
}

export interface Statement {
  readonly id: string;
  readonly status: string;
  readonly totals: {
    readonly lines: number;
    readonly accepted: CountAndSum;
    readonly duplicates: CountAndSum;
    readonly rejected: { readonly count: number };
  } | null;
  readonly refusal: { readonly code: string } | null;
}

interface SideTotals {
  readonly records: number;
  readonly sum: { readonly amountMinor: number };
  readonly matched: CountAndSum;
  readonly open: CountAndSum;
}

export interface ReconRun {
  readonly id: string;
  readonly status: string;
  readonly matches: number | null;
  readonly failure: string | null;
  readonly totals: { readonly left: SideTotals; readonly right: SideTotals } | null;
}

/** By the numbers of the lines in the two files. */
export interface MatchedLines {
  readonly left: number;
  readonly right: number;
  /** Of the left one. */
  readonly date: string;
}

interface MatchItem {
  readonly left: { readonly line: number; readonly date: string };
  readonly right: { readonly line: number };
}

interface MatchPage {
  readonly data: readonly MatchItem[];
  readonly page: { readonly nextCursor: string | null };
}

const base = '/reconciliation';
const pollMs = 100;
/** A worker that was killed keeps its job for a minute; at the latest 30 s after that another one takes it over. */
const endTimeoutMs = 180_000;
const pageLimit = 100;
/** Amount and the first six characters of the memo, where only one record of either side has them. */
const ladder = [[{ field: 'amount' }, { field: 'memo', prefix: 6 }]];
const mapping = {
  ...{ amount: 'amount', date: 'date', memo: 'memo' },
  ...{ dateFormat: 'YYYY-MM-DD', decimal: '.', currency: 'USD', sign: 'as_is' },
};

/** Two sources of their own that the two files are uploaded to and reconciled between, through the API. */
export class BankCase {
  private constructor(
    private readonly api: ApiClient,
    readonly name: string,
    readonly leftSourceId: string,
    readonly rightSourceId: string,
  ) {}

  static async open(api: ApiClient, name: string): Promise<BankCase> {
    const source = async (side: string) => {
      const body = { code: `${name}-${side}`, name: `${name}, ${side}`, kind: 'bank', mapping };
      return (await api.call<{ id: string }>('POST', `${base}/sources`, body)).id;
    };
    return new BankCase(api, name, await source('sent'), await source('received'));
  }

  /** `known`: the source had sent these bytes before. */
  async upload(
    sourceId: string,
    { csv }: BankFile,
  ): Promise<{ readonly statement: Statement; readonly known: boolean }> {
    const path = `/api/v1${base}/sources/${sourceId}/statements`;
    const headers = { ...this.api.headers, 'content-type': 'text/csv' };
    const { status, body } = await this.api.connection.request('POST', path, headers, csv);
    if (status !== 200 && status !== 202) throw new Error(`an upload was answered with ${status}: ${body}`);
    return { statement: JSON.parse(body) as Statement, known: status === 200 };
  }

  /** Resolves when its lines are records. */
  async committed(id: string): Promise<Statement> {
    const path = `${base}/statements/${id}`;
    const found = await ended(() => this.api.call<Statement>('GET', path), 'received');
    if (found.status !== 'committed') throw new Error(`a statement ended as ${found.status}: ${found.refusal?.code}`);
    return found;
  }

  async start(): Promise<ReconRun> {
    const { leftSourceId, rightSourceId } = this;
    return this.api.call('POST', `${base}/runs`, { leftSourceId, rightSourceId, ladder });
  }

  async completed(id: string): Promise<ReconRun> {
    const found = await ended(() => this.api.call<ReconRun>('GET', `${base}/runs/${id}`), 'pending');
    if (found.status !== 'completed') throw new Error(`a run ended as ${found.status}: ${found.failure}`);
    return found;
  }

  async matches(runId: string): Promise<readonly MatchedLines[]> {
    const all: MatchedLines[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const path = `${base}/runs/${runId}/matches?limit=${pageLimit}${query}`;
      const { data, page }: MatchPage = await this.api.call('GET', path);
      all.push(...data.map(({ left, right }) => ({ left: left.line, right: right.line, date: left.date })));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return all;
  }
}

async function ended<Found extends { readonly status: string }>(read: () => Promise<Found>, waiting: string) {
  const endsAt = performance.now() + endTimeoutMs;
  let found = await read();
  while (found.status === waiting && performance.now() < endsAt) {
    await sleep(pollMs);
    found = await read();
  }
  if (found.status === waiting) throw new Error(`still ${waiting} after ${endTimeoutMs / 1000} s`);
  return found;
}
