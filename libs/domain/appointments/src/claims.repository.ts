import { newId } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import type { AppointmentId, Share } from './appointment.js';
import type { BlockId } from './block.js';
import type { Resource } from './catalogue.js';
import { type Claim, claimMaxMin } from './claim.js';
import type { ResourceId } from './resource.js';

export type ClaimOwner =
  | { readonly kind: 'appointment'; readonly id: AppointmentId }
  | { readonly kind: 'block'; readonly id: BlockId };

const lastMin = 2_147_483_647;

/** As stored in time_claim.kind. */
const kindNumber = { appointment: 1, block: 3 } as const;

/** The one order in which everybody takes time: two who want the same things never wait for each other in a circle. */
const inOrder = (a: Claim, b: Claim): number =>
  compare(a.resourceId, b.resourceId) || a.lane - b.lane || a.startMin - b.startMin;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const takeShares = `with share as materialized (
     select s.* from unnest($3::uuid[], $4::uuid[], $5::smallint[], $6::int[], $7::int[], $8::text[])
       as s (id, resource_id, lane, start_min, end_min, kind)
   ), taken as (
     insert into time_claim (tenant_id, id, resource_id, lane, start_min, end_min, kind, appointment_id)
     select $1, s.id, s.resource_id, s.lane, s.start_min, s.end_min, ${kindNumber.appointment}, $2 from share s
      order by s.resource_id, s.lane, s.start_min
     on conflict do nothing
     returning id
   ), remembered as (
     insert into appointment_resource (tenant_id, id, appointment_id, resource_id, kind, lane, start_min, end_min)
     select $1, s.id, $2, s.resource_id, s.kind, s.lane, s.start_min, s.end_min from share s
   )
   select id from taken`;

/** Every statement that takes, gives back or locks time. */
export class ClaimsRepository {
  /**
   * Takes what is free of a visit's shares, remembers them all as the visit's, and answers the ones it could not take.
   * Waits for a transaction that holds one of them to end. Does not undo what it took: run it inside `attempt`.
   */
  async takeForVisit(tx: WriteContext, id: AppointmentId, shares: readonly Share[]): Promise<readonly Claim[]> {
    const wanted = named(shares);
    const taken = await tx.db.query<{ id: string }>(takeShares, [
      tx.tenant.id,
      id,
      ...arraysOf(wanted),
      wanted.map(({ kind }) => kind),
    ]);
    return without(wanted, taken);
  }

  /** As `takeForVisit`: takes what is free of a block's time. */
  async takeForBlock(tx: WriteContext, id: BlockId, claims: readonly Claim[]): Promise<readonly Claim[]> {
    const wanted = named(claims);
    const taken = await tx.db.query<{ id: string }>(
      `insert into time_claim (tenant_id, id, resource_id, lane, start_min, end_min, kind, block_id)
       select $1, c.id, c.resource_id, c.lane, c.start_min, c.end_min, ${kindNumber.block}, $2
         from unnest($3::uuid[], $4::uuid[], $5::smallint[], $6::int[], $7::int[])
              as c (id, resource_id, lane, start_min, end_min)
        order by c.resource_id, c.lane, c.start_min
       on conflict do nothing
       returning id`,
      [tx.tenant.id, id, ...arraysOf(wanted)],
    );
    return without(wanted, taken);
  }

  /**
   * Moves a visit's time: for each resource in order, gives back the old share and takes the new one, all in one flight.
   * Answers what it could not take. The caller holds the resources' locks and runs it inside `attempt`.
   */
  async move(
    tx: WriteContext,
    id: AppointmentId,
    from: readonly Share[],
    to: readonly Share[],
  ): Promise<readonly Claim[]> {
    tx.db.send('delete from appointment_resource where tenant_id = $1 and appointment_id = $2', [tx.tenant.id, id]);
    const resources = [...new Set([...from, ...to].map(({ resourceId }) => resourceId))].sort(compare);
    const refused = await Promise.all(
      resources.map((resourceId) => {
        const mine = ({ resourceId: other }: Claim) => other === resourceId;
        if (from.some(mine)) this.#giveBackOf(tx, id, resourceId);
        const wanted = to.filter(mine);
        return wanted.length > 0 ? this.takeForVisit(tx, id, wanted) : [];
      }),
    );
    return refused.flat();
  }

  /** Lets the blocks that end after `afterMin` hold every lane of a resource whose capacity has grown. */
  async extendBlocks(tx: WriteContext, { id, capacity }: Pick<Resource, 'id' | 'capacity'>, afterMin: number) {
    const pieces = await tx.db.query<Pick<Claim, 'startMin' | 'endMin'> & { readonly blockId: BlockId }>(
      `select block_id as "blockId", start_min as "startMin", end_min as "endMin" from time_claim
        where tenant_id = $1 and (resource_id, start_min) > ($2, $3::int - ${claimMaxMin})
          and (resource_id, start_min) < ($2, ${lastMin}) and lane = 1 and block_id is not null and end_min > $3`,
      [tx.tenant.id, id, afterMin],
    );
    for (const { blockId, ...times } of pieces) {
      const lanes = Array.from({ length: capacity - 1 }, (_, index) => index + 2);
      const claims = lanes.map((lane) => ({ resourceId: id, lane, ...times }));
      await this.takeForBlock(tx, blockId, claims);
    }
  }

  giveBack(tx: WriteContext, owner: ClaimOwner): void {
    const sql =
      owner.kind === 'appointment'
        ? 'delete from time_claim where tenant_id = $1 and appointment_id = $2'
        : 'delete from time_claim where tenant_id = $1 and block_id = $2';
    tx.db.send(sql, [tx.tenant.id, owner.id]);
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

  #giveBackOf(tx: WriteContext, id: AppointmentId, resourceId: ResourceId): void {
    // `=` would make the index of no_overlap look good, with all that the resource ever had.
    tx.db.send(
      `delete from time_claim
        where tenant_id = $1 and appointment_id = $2 and resource_id is not distinct from $3::uuid`,
      [tx.tenant.id, id, resourceId],
    );
  }
}

const named = <C extends Claim>(claims: readonly C[]) =>
  [...claims].sort(inOrder).map((claim) => ({ id: newId(), ...claim }));
type Named = Claim & { readonly id: string };

const arraysOf = (claims: readonly Named[]): unknown[] => [
  claims.map(({ id }) => id),
  claims.map(({ resourceId }) => resourceId),
  claims.map(({ lane }) => lane),
  claims.map(({ startMin }) => startMin),
  claims.map(({ endMin }) => endMin),
];

function without(wanted: readonly Named[], taken: readonly { readonly id: string }[]): readonly Claim[] {
  if (taken.length === wanted.length) return [];
  const got = new Set(taken.map(({ id }) => id));
  return wanted.filter(({ id }) => !got.has(id));
}
