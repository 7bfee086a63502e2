import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { TenantContext } from '#infra/kernel';
import { canonicalJson } from './canonical-json.js';
import { fail } from './edge.errors.js';
import type { Paging } from './paging.js';
import type { CursorSealer } from './ports.js';
import { numberedRowsEnd, numberedRowsMax, pageSizes } from './schemas.js';

/** Opens and seals the cursors of lists. */
export class Cursors {
  constructor(private readonly sealer: CursorSealer) {}

  /**
   * The page that a validated query asks for. A cursor opens only for the tenant, the user, the route and the filters
   * that it was made for, and for one hour; otherwise cursor.invalid.
   */
  async paging<Key>(request: FastifyRequest): Promise<Paging<Key>> {
    const ctx = request.ctx as TenantContext;
    const { limit, cursor, page, ...filters } = request.query as Readonly<Record<string, string | undefined>>;
    const binding = {
      userId: ctx.actor.kind === 'user' ? ctx.actor.id : ctx.actor.kind,
      route: ctx.route ?? '',
      filterHash: createHash('sha256')
        .update(canonicalJson({ filters, path: request.params, body: request.body }))
        .digest('base64url'),
    };
    const after = cursor === undefined ? null : ((await this.sealer.open(ctx.tenant.id, binding, cursor)) as Key);
    const size = pageSizes[request.routeOptions.config.takes?.pageSize ?? 'small'];
    const items =
      limit === undefined ? size.usual : within(limit, size.most, 'limit', `must be from 1 to ${size.most}`);
    const skip = page === undefined ? 0 : (within(page, numberedRowsMax / items, 'page', numberedRowsEnd) - 1) * items;
    return { limit: items, after, skip, seal: (key) => this.sealer.seal(ctx.tenant.id, binding, key) };
  }
}

/** The list's own schema refuses other values with 422; this only keeps a wrong one from ever reaching SQL. */
function within(text: string, most: number, name: string, detail: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw fail('request.invalid', { mistakes: [{ pointer: `query/${name}`, detail }] });
}
