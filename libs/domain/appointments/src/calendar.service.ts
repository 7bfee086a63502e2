import { Injectable } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { type Clock, isAppError, type Page, type PageRequest, type TenantContext } from '#infra/kernel';
import { Sharding, type WriteContext } from '#infra/sharding';
import { daysBetween, formatInstant, type LocalDate } from '#infra/time';
import { actorIdOf } from './actor.js';
import { fail } from './appointments.errors.js';
import { demand } from './appointments.policy.js';
import { type Block, type BlockId, type BlockKey, blockMaxPieces, type NewBlock, newBlock, piecesOf } from './block.js';
import { CalendarRepository } from './calendar.repository.js';
import { CatalogueRepository } from './catalogue.repository.js';
import { ClaimsRepository } from './claims.repository.js';
import type { ResourceId } from './resource.js';
import type { DatedSchedule, Override } from './schedule.js';
import { expectVersion, nextVersion } from './versions.js';

/** The most days of overrides that one answer lists. */
export const overridesMaxDays = 366;

/** A resource's dated weekly hours; `version` is the resource's. */
export interface Schedule {
  readonly version: number;
  readonly schedules: readonly DatedSchedule[];
}

/** A block on the wall clock of its place. */
export interface PlacedBlock extends Block {
  readonly tz: string;
}

/** When a resource is open, on which days it is not as usual, and when it is away. */
@Injectable()
export class CalendarService {
  readonly #rows = new CalendarRepository();
  readonly #catalogue = new CatalogueRepository();
  readonly #claims = new ClaimsRepository();

  constructor(
    private readonly sharding: Sharding,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  async schedule(ctx: TenantContext, id: ResourceId): Promise<Schedule> {
    demand(ctx, 'catalogue.read');
    return this.sharding.read(ctx, async (tx) => {
      const [resource, schedules] = await Promise.all([this.#catalogue.resource(tx, id), this.#rows.schedules(tx, id)]);
      if (!resource) throw fail('resource.not_found');
      return { version: resource.version, schedules };
    });
  }

  /** Replaces all the schedules of a resource; visits that are booked stay. */
  async putSchedule(
    ctx: TenantContext,
    id: ResourceId,
    expectedVersion: number,
    schedules: readonly DatedSchedule[],
  ): Promise<Schedule> {
    demand(ctx, 'catalogue.change');
    const now = this.clock.now();
    return this.sharding.write(ctx, async (tx) => {
      const current = expectVersion('resource', await this.#catalogue.resourceForUpdate(tx, id), expectedVersion);
      const next = nextVersion(current, {});
      await this.#rows.replaceSchedules(tx, id, schedules, now);
      await this.#catalogue.updateResource(tx, next, now);
      await this.#recorded(tx, 'resource.put_schedule', id);
      return { version: next.version, schedules };
    });
  }

  /** Overrides of dates in [from, to]; at most 366 days. */
  async overrides(ctx: TenantContext, id: ResourceId, from: LocalDate, to: LocalDate): Promise<readonly Override[]> {
    demand(ctx, 'catalogue.read');
    if (to < from || daysBetween(from, to) >= overridesMaxDays) throw fail('override.range_invalid');
    return this.sharding.read(ctx, async (tx) => {
      const [resource, overrides] = await Promise.all([
        this.#catalogue.resource(tx, id),
        this.#rows.overrides(tx, id, from, to),
      ]);
      if (!resource) throw fail('resource.not_found');
      return overrides;
    });
  }

  /** What is open on that date, whatever the schedule says; nothing closes the day. Idempotent. */
  async putOverride(ctx: TenantContext, id: ResourceId, { date, open }: Override): Promise<Override> {
    demand(ctx, 'catalogue.change');
    return this.sharding.write(ctx, async (tx) => {
      await this.#rows.putOverride(tx, id, date, open, this.clock.now());
      await this.#recorded(tx, 'resource.put_override', id);
      return { date, open };
    });
  }

  async deleteOverride(ctx: TenantContext, id: ResourceId, date: LocalDate): Promise<void> {
    demand(ctx, 'catalogue.change');
    await this.sharding.write(ctx, async (tx) => {
      if (!(await this.#rows.deleteOverride(tx, id, date))) throw fail('override.not_found');
      await this.#recorded(tx, 'resource.delete_override', id);
    });
  }

  /** Takes the resource away for a time; refused with what stands in the way where part of it is taken. */
  async createBlock(ctx: TenantContext, id: ResourceId, input: NewBlock): Promise<PlacedBlock> {
    demand(ctx, 'catalogue.change');
    try {
      return await this.sharding.writeOnce(ctx, (tx) => this.#block(tx, id, input));
    } catch (error) {
      if (!isAppError(error, 'block.conflicts')) throw error;
      throw fail('block.conflicts', { extra: { conflicts: await this.#conflicts(ctx, id, input) } });
    }
  }

  /** Blocks of the resource that end after `fromMin`. */
  async blocks(
    ctx: TenantContext,
    id: ResourceId,
    fromMin: number,
    page: PageRequest<BlockKey>,
  ): Promise<Page<PlacedBlock, BlockKey>> {
    demand(ctx, 'catalogue.read');
    return this.sharding.read(ctx, async (tx) => {
      const [resource, blocks] = await Promise.all([
        this.#catalogue.resourceInZone(tx, id),
        this.#rows.blocks(tx, id, fromMin, page),
      ]);
      if (!resource) throw fail('resource.not_found');
      return { ...blocks, items: blocks.items.map((block) => ({ ...block, tz: resource.tz })) };
    });
  }

  async deleteBlock(ctx: TenantContext, id: ResourceId, blockId: BlockId): Promise<void> {
    demand(ctx, 'catalogue.change');
    await this.sharding.write(ctx, async (tx) => {
      if (!(await this.#rows.deleteBlock(tx, id, blockId))) throw fail('block.not_found');
      this.#claims.giveBack(tx, { kind: 'block', id: blockId });
      await this.#recorded(tx, 'block.delete', blockId);
    });
  }

  async #block(tx: WriteContext, id: ResourceId, input: NewBlock): Promise<PlacedBlock> {
    this.#claims.lock(tx, [{ resourceId: id }]);
    const resource = await this.#catalogue.resourceInZone(tx, id);
    if (!resource) throw fail('resource.not_found');
    const lanes = Array.from({ length: resource.capacity }, (_, index) => index + 1);
    const pieces = piecesOf(id, lanes, input);
    if (pieces.length > blockMaxPieces) throw fail('block.too_large');
    const block = newBlock(id, input, this.clock.now());
    const refused = await this.#claims.takeForBlock(tx, block.id, pieces);
    if (refused.length > 0) throw fail('block.conflicts');
    this.#rows.insertBlock(tx, block, actorIdOf(tx));
    await this.#recorded(tx, 'block.create', block.id);
    return { ...block, tz: resource.tz };
  }

  /** What stands in the way of a block, in a snapshot taken after its refusal. */
  async #conflicts(ctx: TenantContext, id: ResourceId, { startMin, endMin }: NewBlock) {
    const [resource, obstacles] = await this.sharding.read(ctx, (tx) =>
      Promise.all([this.#catalogue.resourceInZone(tx, id), this.#rows.obstacles(tx, id, startMin, endMin)]),
    );
    const at = (minute: number) => formatInstant(minute, resource?.tz ?? 'UTC');
    return obstacles.map((found) => ({
      kind: found.kind,
      id: found.id,
      start: at(found.startMin),
      end: at(found.endMin),
    }));
  }

  async #recorded(tx: WriteContext, action: string, resourceId: string): Promise<void> {
    await this.audit.record(tx, { action, resourceType: action.slice(0, action.indexOf('.')), resourceId });
  }
}
