import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { CursorBinding } from '#infra/crypto';
import type { TenantContext } from '#infra/kernel';
import { canonicalJson } from './canonical-json.js';
import { fail } from './edge.errors.js';
import type { CursorPlace, Paging } from './paging.js';
import type { CursorSealer } from './ports.js';
import { numberedRowsEnd, numberedRowsMax, pageSizes } from './schemas.js';

/** Opens and seals the cursors of lists. */
export class Cursors {
  constructor(private readonly sealer: CursorSealer) {}

  /**
   * The page that a validated query asks for. A cursor opens only for the tenant, the user, the route and the filters
   * that it was made for, and for at most one hour; otherwise cursor.invalid.
   */
  async paging<Key>(request: FastifyRequest): Promise<Paging<Key>> {
    const ctx = request.ctx as TenantContext;
    const { asked } = request;
    const { limit, cursor, page, count, ...filters } = asked.query as Readonly<Record<string, string | undefined>>;
    const binding = bindingOf(ctx, { filters, path: asked.path, body: asked.body });
    const place =
      cursor === undefined ? null : ((await this.sealer.open(ctx.tenant.id, binding, cursor)) as CursorPlace<Key>);
    const size = pageSizes[request.routeOptions.config.takes?.pageSize ?? 'small'];
    const items =
      limit === undefined ? size.usual : within(limit, size.most, 'limit', `must be from 1 to ${size.most}`);
    const number = page === undefined ? null : within(page, numberedRowsMax / items, 'page', numberedRowsEnd);
    return {
      limit: items,
      after: place !== null && 'after' in place ? place.after : null,
      before: place !== null && 'before' in place ? place.before : null,
      skip: number === null ? 0 : (number - 1) * items,
      counted: number !== null && count === 'true',
      number,
      seal: (to) => this.sealer.seal(ctx.tenant.id, binding, to),
    };
  }
}

/** Counted up with what a cursor holds: one that an earlier release sealed is refused as if it had expired. */
const cursorForm = 2;

const bindingOf = ({ actor, route }: TenantContext, shapes: object): CursorBinding => ({
  userId: actor.kind === 'user' ? actor.id : actor.kind,
  route: route ?? '',
  filterHash: createHash('sha256')
    .update(canonicalJson({ cursorForm, ...shapes }))
    .digest('base64url'),
});

/** The list's own schema refuses other values with 422; this only keeps a wrong one from ever reaching SQL. */
function within(text: string, most: number, name: string, detail: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw fail('request.invalid', { mistakes: [{ pointer: `query/${name}`, detail }] });
}
