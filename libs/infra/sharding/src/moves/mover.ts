import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs, type TenantId } from '#infra/kernel';
import { beginMove, openSides } from './beginning.js';
import { atBench, type Bench, shardOf } from './bench.js';
import { Copying, totalOf } from './copying.js';
import {
  beginLeaving,
  fenceOf,
  fenceTarget,
  handOver,
  isServed,
  openTarget,
  removeMarkers,
  stopLeaving,
} from './fences.js';
import { HandingOver, type Sides } from './handing-over.js';
import type { Move, MoveOutcome, MovePoint, MoverOptions, MoveStep } from './move.js';
import { fail } from './moves.errors.js';
import { expectEqual } from './proof.js';
import { replicasCaughtUp } from './replicas-caught-up.js';
import { Replication } from './replication.js';
import type { Session } from './session.js';
import {
  removeRows,
  schemaVersionOf,
  sizesOf,
  type TableSize,
  type TenantTable,
  tenantTables,
} from './tenant-tables.js';

export interface MoveOrder {
  /** Id or short name. */
  readonly tenant: string;
  readonly shardId: string;
}

const defaultPatienceMs = 300_000;
/** How long writers wait for the target's opening; they ask by themselves after that. */
const openingBudgetMs = 200;
/** After a crash: how long replication may take to open the target before the mover does. */
const arrivalMaxMs = 5_000;

/**
 * Moves a tenant to another shard while it is written to, or goes on with a move that was begun: run again, it continues
 * at the step where it stopped. Until the hand-over it can be aborted. Throws move.refused before anything has changed.
 */
export async function moveTenant(options: MoverOptions, order: MoveOrder): Promise<MoveOutcome> {
  return atBench(options, order.tenant, async (bench) => {
    const known = await bench.records.underWay(bench.tenant.id);
    if (known && known.target !== order.shardId)
      throw fail('move.under_way', { internal: `it moves to ${known.target}` });
    const sides = await openSides(options, bench, known?.source ?? bench.tenant.shardId, order.shardId);
    const move = known ?? (await beginMove(bench, sides, order.shardId));
    const tables = await tenantTables(sides.source, sides.target);
    const run = new MoveRun(options, bench, move, sides, tables);
    try {
      return await run.go();
    } catch (error) {
      if (!options.signal?.aborted) await run.noteError(error);
      throw error;
    }
  });
}

/** One run of the mover, from wherever the move stands to its end. */
class MoveRun {
  readonly #replication: Replication;
  readonly #handing: HandingOver;
  readonly #patienceMs: number;
  #sizes: ReadonlyMap<string, TableSize> = new Map();
  #proofPauseMs: number | null = null;
  #pauseMs: number | null = null;
  #longestPauseMs = 0;

  constructor(
    private readonly options: MoverOptions,
    private readonly bench: Bench,
    private move: Move,
    private readonly sides: Sides,
    private readonly tables: readonly TenantTable[],
  ) {
    this.#patienceMs = options.patienceMs ?? defaultPatienceMs;
    this.#replication = new Replication(move, sides.source, sides.target, shardOf(options, move.source).url);
    const paused = (pauseMs: number) => {
      this.#longestPauseMs = Math.max(this.#longestPauseMs, pauseMs);
    };
    this.#handing = new HandingOver(move, sides, { patienceMs: this.#patienceMs, signal: options.signal, paused });
  }

  async go(): Promise<MoveOutcome> {
    await this.#startOverWhereNeeded();
    for (;;) {
      this.#at(this.move.step, `${this.move.source} → ${this.move.target}, epoch ${this.move.epoch}`);
      if (this.move.step === 'preparing') await this.#prepare();
      else if (this.move.step === 'copying') await this.#copy();
      else if (this.move.step === 'proving') await this.#prove();
      else if (this.move.step === 'switching') await this.#switch();
      else return this.#finish();
    }
  }

  async noteError(error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    await this.bench.records.noteError(this.move, message).catch(() => undefined);
  }

  /** Before the hand-over a new schema, or a place in the source's log that was lost, means a new copy. */
  async #startOverWhereNeeded(): Promise<void> {
    if (this.move.step === 'preparing' || this.move.step === 'finishing') return;
    if ((await fenceOf(this.sides.source, this.move.tenantId))?.state === 'moved') return;
    const [here, there] = await Promise.all([schemaVersionOf(this.sides.source), schemaVersionOf(this.sides.target)]);
    if (here !== there) throw fail('move.refused', { internal: `schemas differ: ${here} and ${there}` });
    const standing = await this.#replication.standing();
    const whole = standing === 'following' || (standing === 'none' && this.move.step === 'copying');
    if (here === this.move.schemaVersion && whole) return;
    this.move = await this.bench.records.restart(this.move, here);
  }

  async #prepare(): Promise<void> {
    await fenceTarget(this.sides.target, this.move);
    await this.#replication.stop();
    const removed = await removeRows(this.sides.target, this.tables, this.move.tenantId);
    if (removed > 0) this.#say('preparing', `removed ${removed} rows that an earlier stay had left on the target`);
    await this.bench.records.noteCleaned(this.move.tenantId, this.move.target);
    await this.#enter('copying');
  }

  async #copy(): Promise<void> {
    this.#sizes = await sizesOf(this.sides.sourceView, this.tables, this.move.tenantId);
    const { rows, bytes } = totalOf(this.#sizes.values());
    await this.bench.records.noteSize(this.move, rows, bytes);
    await this.#replication.start(this.tables);
    this.#at('replicated', `${rows} rows, ${bytes} bytes in ${this.tables.length} tables`);
    const { options, bench, move, tables } = this;
    await new Copying({ options, bench, move, replication: this.#replication, tables, sizes: this.#sizes }).done();
    await this.#enter('proving');
  }

  /** Equal, to the last row, at one moment while the source is in use. */
  async #prove(): Promise<void> {
    const { pauseMs } = await this.#handing.freeze(async () => undefined);
    this.#proofPauseMs = pauseMs;
    const [source, target] = await this.#handing.digests(this.tables);
    expectEqual(source, target);
    await this.bench.records.noteProof(this.move, { beforehand: source });
    this.#say(
      'proving',
      `${totalOf(Object.values(source)).rows} rows are equal; writers stood still ${Math.round(pauseMs)} ms`,
    );
    await this.#enter('switching');
  }

  async #switch(): Promise<void> {
    const { source } = this.sides;
    if ((await fenceOf(source, this.move.tenantId))?.state !== 'moved') {
      await this.#leaveReplicas(source);
      await this.#handOver();
    }
    if (this.move.step === 'switching') {
      await this.#arrive();
      await this.#flip();
    }
  }

  /** Where a replica of the source stays behind, it goes on to serve, and the move stops here. */
  async #leaveReplicas(source: Session): Promise<void> {
    const position = await beginLeaving(source, this.move);
    this.#at('leaving', 'replicas of the source serve it no more');
    try {
      await replicasCaughtUp(shardOf(this.options, this.move.source), position, this.#patienceMs);
    } catch (error) {
      await stopLeaving(source, this.move);
      throw error;
    }
  }

  async #handOver(): Promise<void> {
    const { pauseMs } = await this.#handing.freeze(async () => {
      await handOver(this.sides.source, this.move);
      this.#at('handed_over', 'the source serves it no more');
      if (await this.#servedWithin(openingBudgetMs)) await this.#flip();
    });
    this.#pauseMs = pauseMs;
    await this.bench.records.notePause(this.move, pauseMs);
  }

  /** After a crash behind the hand-over: all rows are there, and the marker usually is. */
  async #arrive(): Promise<void> {
    if (await this.#servedWithin(arrivalMaxMs)) return;
    await openTarget(this.sides.target, this.move);
    if (!(await isServed(this.sides.target, this.move)))
      throw fail('move.under_way', { internal: 'the target is not fenced for this move' });
  }

  async #servedWithin(budgetMs: number): Promise<boolean> {
    const endsAt = monotonicMs() + budgetMs;
    while (monotonicMs() < endsAt) {
      if (await isServed(this.sides.target, this.move)) return true;
      await sleep(1);
    }
    return false;
  }

  async #flip(): Promise<void> {
    this.move = await this.bench.records.flip(this.move);
    const { tenantId, epoch } = this.move;
    this.options.told?.({ tenant: tenantId as TenantId, epoch });
    this.#at('switched', `the directory says ${this.move.target}`);
  }

  /** Once more equal at the moment of the hand-over, where this run did it; then replication is taken down. */
  async #finish(): Promise<MoveOutcome> {
    if (this.#pauseMs !== null) await this.#proveHandOver();
    await removeMarkers(this.sides.target, this.move);
    await this.#replication.stop();
    const { keepUntil, rows, bytes } = await this.bench.records.end(this.move);
    this.#say('done', `${this.move.source} keeps its rows for now`);
    const { id: moveId, tenantId, source, target, epoch } = this.move;
    const pauses = { proofPauseMs: this.#proofPauseMs, pauseMs: this.#pauseMs, longestPauseMs: this.#longestPauseMs };
    return { moveId, tenantId, source, target, epoch, tables: this.tables.length, rows, bytes, ...pauses, keepUntil };
  }

  async #proveHandOver(): Promise<void> {
    const [source, target] = await this.#handing.digests(this.tables);
    const proof = { atHandOver: source };
    try {
      expectEqual(source, target);
    } catch (error) {
      await this.bench.records.noteProof(this.move, { ...proof, unequal: target });
      throw error;
    }
    await this.bench.records.noteProof(this.move, proof);
    this.#say('finishing', `${totalOf(Object.values(source)).rows} rows were equal at the hand-over`);
  }

  async #enter(step: MoveStep): Promise<void> {
    this.move = await this.bench.records.enter(this.move, step);
  }

  #at(point: MovePoint, text: string): void {
    this.#say(point, text);
    this.options.signal?.throwIfAborted();
  }

  #say(point: MovePoint, text: string): void {
    this.options.report({ kind: 'point', point, text });
  }
}
