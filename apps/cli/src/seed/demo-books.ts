import type { INestApplicationContext } from '@nestjs/common';
import { type NewSource, type SourceId, SourcesService, UploadService } from '#domain/reconciliation';
import type { TenantContext } from '#infra/kernel';

const written = { dateFormat: 'YYYY-MM-DD', decimal: '.', currency: 'CAD', sign: 'as_is' } as const;

export const pointOfSale: NewSource = {
  code: 'point-of-sale',
  name: 'Point of sale',
  kind: 'pos',
  mapping: { date: 'Date', reference: 'Ticket', memo: 'Description', amount: 'Amount', ...written },
};
export const cardProcessor: NewSource = {
  code: 'card-processor',
  name: 'Card processor',
  kind: 'processor',
  mapping: {
    externalId: 'Transaction ID',
    date: 'Transaction Date',
    reference: 'Reference',
    memo: 'Details',
    amount: 'Gross',
    ...written,
  },
};

/** By reference and amount, and what is left by day and amount. */
export const demoLadder = [
  [{ field: 'reference' }, { field: 'amount' }],
  [{ field: 'date' }, { field: 'amount' }],
] as const;

export interface SeededBooks {
  readonly pointOfSale: SourceId;
  readonly cardProcessor: SourceId;
}

/** A source for the till and one for the card processor. Finds by code what an earlier run has made. */
export async function seedSources(product: INestApplicationContext, ctx: TenantContext): Promise<SeededBooks> {
  const sources = product.get(SourcesService);
  const { items } = await sources.list(ctx, { limit: 100, after: null });
  const known = new Map(items.map(({ code, id }) => [code, id]));
  const idOf = async (source: NewSource) => known.get(source.code) ?? (await sources.create(ctx, source)).id;
  return { pointOfSale: await idOf(pointOfSale), cardProcessor: await idOf(cardProcessor) };
}

const duesMinor = 4_900;
const members = 24;
/** Who paid less, and whose payment never reached the processor. */
const [short, missing] = [7, 19];
const memberNumbers = Array.from({ length: members }, (_, n) => n + 1);
const ticketOf = (member: number): string => `DUES-${String(member).padStart(3, '0')}`;
const amountOf = (minor: number): string => (minor / 100).toFixed(2);

/** A month of the club's dues as its till has them and as its card processor paid them out; in two places they differ. */
const duesFiles = {
  till: [
    'Date,Ticket,Description,Amount',
    ...memberNumbers.map((n) => `2026-10-01,${ticketOf(n)},Membership dues,${amountOf(duesMinor)}`),
  ],
  processor: [
    'Transaction ID,Transaction Date,Reference,Details,Gross',
    ...memberNumbers
      .filter((n) => n !== missing)
      .map((n) => `ch_9c${n},2026-10-02,${ticketOf(n)},CARD,${amountOf(n === short ? duesMinor - 500 : duesMinor)}`),
  ],
};

/** The same file again is the same statement; the worker reads it once it runs. */
export async function seedFiles(product: INestApplicationContext, ctx: TenantContext, to: SeededBooks): Promise<void> {
  const uploads = product.get(UploadService);
  await uploads.receive(ctx, to.pointOfSale, bytesOf(duesFiles.till));
  await uploads.receive(ctx, to.cardProcessor, bytesOf(duesFiles.processor));
}

async function* bytesOf(lines: readonly string[]): AsyncGenerator<Buffer> {
  yield Buffer.from(`${lines.join('\n')}\n`);
}
