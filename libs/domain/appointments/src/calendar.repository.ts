import { type Instant, newId, type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, violatedConstraint, type WriteContext } from '#infra/sharding';
import type { LocalDate } from '#infra/time';
import { fail } from './appointments.errors.js';
import { type Block, type BlockId, type BlockKey, type Obstacle } from './block.js';
import { claimMaxMin } from './claim.js';
import type { ResourceId } from './resource.js';
import type { DatedSchedule, DayWindow, Override } from './schedule.js';

/** The most obstacles that a refused block names. */
const obstaclesMax = 20;

interface BlockRow extends Omit<Block, 'createdAt'> {
  readonly createdAt: Date;
}

const byStart: Keyset<BlockRow, BlockKey> = {
  columns: ['start_min', 'id'],
  keyOf: ({ startMin, id }) => ({ startMin, id }),
  valuesOf: ({ startMin, id }) => [startMin, id],
};

/** Every statement about schedules, overrides and blocks. */
export class CalendarRepository {
  async schedules(tx: ReadContext, id: ResourceId): Promise<readonly DatedSchedule[]> {
    return tx.db.query<DatedSchedule>(
      `select valid_from as "validFrom", valid_to as "validTo", rules from schedule
        where tenant_id = $1 and resource_id = $2 order by valid_from`,
      [tx.tenant.id, id],
    );
  }

  /** All the schedules that a resource has from now on. */
  async replaceSchedules(tx: WriteContext, id: ResourceId, schedules: readonly DatedSchedule[], at: Instant) {
    tx.db.send('delete from schedule where tenant_id = $1 and resource_id = $2', [tx.tenant.id, id]);
    const inserted = tx.db.execute(
      `insert into schedule (tenant_id, id, resource_id, valid_from, valid_to, rules, created_at)
       select $1, s.id, $2, s.valid_from, s.valid_to, s.rules, $3
         from unnest($4::uuid[], $5::date[], $6::date[], $7::jsonb[]) as s (id, valid_from, valid_to, rules)`,
      [
        tx.tenant.id,
        id,
        toDate(at),
        schedules.map(() => newId()),
        schedules.map(({ validFrom }) => validFrom),
        schedules.map(({ validTo }) => validTo),
        schedules.map(({ rules }) => JSON.stringify(rules)),
      ],
    );
    await inserted.catch((error: unknown) => {
      throw violatedConstraint(error) === 'schedule_no_overlap' ? fail('schedule.overlap') : error;
    });
  }

  /** Overrides of dates in [from, to], in order. */
  async overrides(tx: ReadContext, id: ResourceId, from: LocalDate, to: LocalDate): Promise<readonly Override[]> {
    return tx.db.query<Override>(
      `select local_date as "date", open from schedule_override
        where tenant_id = $1 and resource_id = $2 and local_date >= $3 and local_date <= $4 order by local_date`,
      [tx.tenant.id, id, from, to],
    );
  }

  async putOverride(tx: WriteContext, id: ResourceId, date: LocalDate, open: readonly DayWindow[], at: Instant) {
    const put = tx.db.execute(
      `insert into schedule_override (tenant_id, id, resource_id, local_date, open, updated_at)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (tenant_id, resource_id, local_date)
         do update set open = excluded.open, updated_at = excluded.updated_at`,
      [tx.tenant.id, newId(), id, date, JSON.stringify(open), toDate(at)],
    );
    await put.catch((error: unknown) => {
      throw violatedConstraint(error) === 'schedule_override_resource' ? fail('resource.not_found') : error;
    });
  }

  /** False where there was none. */
  async deleteOverride(tx: WriteContext, id: ResourceId, date: LocalDate): Promise<boolean> {
    const rows = await tx.db.execute(
      'delete from schedule_override where tenant_id = $1 and resource_id = $2 and local_date = $3',
      [tx.tenant.id, id, date],
    );
    return rows === 1;
  }

  insertBlock(tx: WriteContext, block: Block, createdBy: string): void {
    tx.db.send(
      `insert into block (tenant_id, id, resource_id, reason, start_min, end_min, created_by, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        tx.tenant.id,
        block.id,
        block.resourceId,
        block.reason,
        block.startMin,
        block.endMin,
        createdBy,
        toDate(block.createdAt),
      ],
    );
  }

  /** Blocks that end after `fromMin`, by their start. */
  async blocks(
    tx: ReadContext,
    id: ResourceId,
    fromMin: number,
    page: PageRequest<BlockKey>,
  ): Promise<Page<Block, BlockKey>> {
    const select = `select id, resource_id as "resourceId", reason, start_min as "startMin", end_min as "endMin",
        created_at as "createdAt"
      from block where tenant_id = $1 and resource_id = $2 and end_min > $3`;
    const found = await listed(tx.db, { select, values: [tx.tenant.id, id, fromMin] }, byStart, page);
    return { ...found, items: found.items.map((row) => ({ ...row, createdAt: row.createdAt.getTime() })) };
  }

  /** False where the resource has no such block. */
  async deleteBlock(tx: WriteContext, id: ResourceId, blockId: BlockId): Promise<boolean> {
    const rows = await tx.db.execute('delete from block where tenant_id = $1 and resource_id = $2 and id = $3', [
      tx.tenant.id,
      id,
      blockId,
    ]);
    return rows === 1;
  }

  /** What holds time of the resource in [fromMin, toMin), the earliest 20. */
  async obstacles(tx: ReadContext, id: ResourceId, fromMin: number, toMin: number): Promise<readonly Obstacle[]> {
    return tx.db.query<Obstacle>(
      `select case when appointment_id is null then 'block' else 'appointment' end as kind,
              coalesce(appointment_id, block_id) as id, min(start_min) as "startMin", max(end_min) as "endMin"
         from time_claim
        where tenant_id = $1 and (resource_id, start_min) > ($2, $3::int - ${claimMaxMin})
          and (resource_id, start_min) < ($2, $4) and end_min > $3
          and num_nonnulls(appointment_id, block_id) = 1
        group by 1, 2 order by 3, 2 limit ${obstaclesMax}`,
      [tx.tenant.id, id, fromMin, toMin],
    );
  }
}
