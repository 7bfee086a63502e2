import { newId } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import type { AppointmentId } from './appointment.js';
import type { BlockId } from './block.js';
import type { Resource } from './catalogue.js';
import type { ResourceId } from './resource.js';

/** Time taken on one lane of one resource, at most a day, in UTC minutes, half-open. */
export interface Claim {
  readonly resourceId: ResourceId;
  readonly lane: number;
  readonly startMin: number;
  readonly endMin: number;
}

export type ClaimOwner =
  | { readonly kind: 'appointment'; readonly id: AppointmentId }
  | { readonly kind: 'block'; readonly id: BlockId };

/** As stored in time_claim.kind. */
const kindNumber = { appointment: 1, block: 3 } as const;

/** The one order in which everybody takes time: two who want the same things never wait for each other in a circle. */
const inOrder = (a: Claim, b: Claim): number =>
  compare(a.resourceId, b.resourceId) || a.lane - b.lane || a.startMin - b.startMin;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Every statement that takes, gives back or locks time. */
export class ClaimsRepository {
  /**
   * Takes what is free of these claims and answers the ones it could not take. Waits for a transaction that holds one of
   * them to end. Does not undo what it took: run it inside `attempt`.
   */
  async take(tx: WriteContext, owner: ClaimOwner, wanted: readonly Claim[]): Promise<readonly Claim[]> {
    const claims = [...wanted].sort(inOrder).map((claim) => ({ id: newId(), ...claim }));
    const taken = await tx.db.query<{ id: string }>(
      `insert into time_claim (tenant_id, id, resource_id, lane, start_min, end_min, kind, appointment_id, block_id)
       select $1, c.id, c.resource_id, c.lane, c.start_min, c.end_min, $2, $3, $4
         from unnest($5::uuid[], $6::uuid[], $7::smallint[], $8::int[], $9::int[])
              as c (id, resource_id, lane, start_min, end_min)
        order by c.resource_id, c.lane, c.start_min
       on conflict do nothing
       returning id`,
      [
        tx.tenant.id,
        kindNumber[owner.kind],
        owner.kind === 'appointment' ? owner.id : null,
        owner.kind === 'block' ? owner.id : null,
        claims.map(({ id }) => id),
        claims.map(({ resourceId }) => resourceId),
        claims.map(({ lane }) => lane),
        claims.map(({ startMin }) => startMin),
        claims.map(({ endMin }) => endMin),
      ],
    );
    const got = new Set(taken.map(({ id }) => id));
    return got.size === claims.length ? [] : claims.filter(({ id }) => !got.has(id));
  }

  /**
   * Moves a visit's claims: for each resource in order, gives back the old claim and takes the new one, all in one
   * flight. Answers what it could not take. The caller holds the resources' locks and runs it inside `attempt`.
   */
  async move(
    tx: WriteContext,
    id: AppointmentId,
    from: readonly Claim[],
    to: readonly Claim[],
  ): Promise<readonly Claim[]> {
    const resources = [...new Set([...from, ...to].map(({ resourceId }) => resourceId))].sort(compare);
    const refused = await Promise.all(
      resources.map((resourceId) => {
        const mine = ({ resourceId: other }: Claim) => other === resourceId;
        if (from.some(mine)) this.giveBackOf(tx, id, resourceId);
        const wanted = to.filter(mine);
        return wanted.length > 0 ? this.take(tx, { kind: 'appointment', id }, wanted) : [];
      }),
    );
    return refused.flat();
  }

  /** Lets the blocks that end after `afterMin` hold every lane of a resource whose capacity has grown. */
  async extendBlocks(tx: WriteContext, { id, capacity }: Pick<Resource, 'id' | 'capacity'>, afterMin: number) {
    const pieces = await tx.db.query<Pick<Claim, 'startMin' | 'endMin'> & { readonly blockId: BlockId }>(
      `select block_id as "blockId", start_min as "startMin", end_min as "endMin" from time_claim
        where tenant_id = $1 and resource_id = $2 and lane = 1 and block_id is not null and end_min > $3`,
      [tx.tenant.id, id, afterMin],
    );
    for (const { blockId, ...times } of pieces) {
      const lanes = Array.from({ length: capacity - 1 }, (_, index) => index + 2);
      const claims = lanes.map((lane) => ({ resourceId: id, lane, ...times }));
      await this.take(tx, { kind: 'block', id: blockId }, claims);
    }
  }

  giveBack(tx: WriteContext, owner: ClaimOwner): void {
    const sql =
      owner.kind === 'appointment'
        ? 'delete from time_claim where tenant_id = $1 and appointment_id = $2'
        : 'delete from time_claim where tenant_id = $1 and block_id = $2';
    tx.db.send(sql, [tx.tenant.id, owner.id]);
  }

  giveBackOf(tx: WriteContext, id: AppointmentId, resourceId: ResourceId): void {
    tx.db.send('delete from time_claim where tenant_id = $1 and appointment_id = $2 and resource_id = $3', [
      tx.tenant.id,
      id,
      resourceId,
    ]);
  }

  /**
   * Holds off every other move, block or change of capacity on these resources until the transaction or the attempt
   * ends; taken in the order of the locks' own numbers. Bookings do not take it.
   */
  lock(tx: WriteContext, held: readonly { readonly resourceId: ResourceId }[]): void {
    tx.db.send(
      `select pg_advisory_xact_lock(k.key)
         from (select distinct hashtextextended(r.id::text, 2) as key from unnest($1::uuid[]) as r (id) order by 1) k`,
      [held.map(({ resourceId }) => resourceId)],
    );
  }
}
