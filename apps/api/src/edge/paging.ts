import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Page, PageRequest } from '#infra/kernel';

/** What a cursor remembers of the last item: the values that the list is ordered by. */
export type CursorKey = Readonly<Record<string, string | number | boolean | null>>;

/** A page that was asked for, with the key of its place already read from the sealed cursor. */
export interface Paging<Key> extends PageRequest<Key> {
  /** Seals a key for this caller, this route and these filters; good for one hour. */
  seal(key: Key): Promise<string>;
}

const pagingOf = (_: unknown, execution: ExecutionContext) => {
  const request = execution.switchToHttp().getRequest<FastifyRequest>();
  return request.server.cursors.paging(request);
};

/** `limit`, `cursor` and `page` of a list; stands beside `@Query({ schema: listQuery({ … }) })`, which validates them. */
export const PageQuery = Object.assign(createParamDecorator(pagingOf), { factory: pagingOf });

/** One page as it leaves: items presented, the next key sealed. */
export async function presentPage<Item, Key, Answer>(
  paging: Paging<Key>,
  page: Page<Item, Key>,
  present: (item: Item) => Answer,
): Promise<{ items: Answer[]; next: string | null }> {
  return {
    items: page.items.map((item) => present(item)),
    next: page.next === null ? null : await paging.seal(page.next),
  };
}
