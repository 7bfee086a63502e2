import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Page, PageRequest, Total } from '#infra/kernel';
import type { PageAnswer } from './schemas.js';

/** What a cursor remembers of an item: the values that the list is ordered by. */
export type CursorKey = Readonly<Record<string, string | number | boolean | null>>;

/** Where a cursor leads: to what follows an item, or to what stands before it. */
export type CursorPlace<Key> = { readonly after: Key } | { readonly before: Key };

/** A page that was asked for, with the key of its place already read from the sealed cursor. */
export interface Paging<Key> extends PageRequest<Key> {
  /** From 1; null where the list is walked by cursors. */
  readonly number: number | null;
  /** Seals a place for this caller, this route and these filters; good for at most one hour. */
  seal(place: CursorPlace<Key>): Promise<string>;
}

const pagingOf = (_: unknown, execution: ExecutionContext) => {
  const request = execution.switchToHttp().getRequest<FastifyRequest>();
  return request.server.cursors.paging(request);
};

/** `limit`, `cursor`, `page` and `count` of a list; stands beside `@Query({ schema: listQuery({ … }) })`, which validates them. */
export const PageQuery = Object.assign(createParamDecorator(pagingOf), { factory: pagingOf });

/** One page as it leaves: items presented, the keys of both ends sealed. */
export async function presentPage<Item, Key, Answer>(
  paging: Paging<Key>,
  page: Page<Item, Key>,
  present: (item: Item) => Answer,
): Promise<{ data: Answer[]; page: PageAnswer }> {
  const data = page.items.map((item) => present(item));
  const { number, limit } = paging;
  return { data, page: number === null ? await ends(paging, page) : { page: number, limit, ...totals(page, limit) } };
}

async function ends<Key>(paging: Paging<Key>, { next, previous }: Page<unknown, Key>): Promise<PageAnswer> {
  const [nextCursor, prevCursor] = await Promise.all([
    next === null ? null : paging.seal({ after: next }),
    previous === null ? null : paging.seal({ before: previous }),
  ]);
  return { limit: paging.limit, nextCursor, prevCursor };
}

function totals({ total }: { readonly total?: Total }, limit: number) {
  if (total === undefined) return {};
  const { rows, isEstimate } = total;
  return { total: rows, totalIsEstimate: isEstimate, pages: Math.ceil(rows / limit) };
}
