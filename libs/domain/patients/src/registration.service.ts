import { Injectable } from '@nestjs/common';
import { newId, type TenantContext } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import { BlindIndex } from './blind-index.js';
import { Envelopes } from './envelopes.js';
import { agrees, type Candidate, comparableOf, compare } from './matching.js';
import type { Demographics, Patient, PatientId } from './patient.js';
import { fail } from './patients.errors.js';
import { demand } from './patients.policy.js';
import { PatientsRepository } from './patients.repository.js';
import { type PatientParts, PatientRecords } from './records.js';
import { blockingCriteriaOf, blockingTokensOf } from './tokens.js';
import { TokensRepository } from './tokens.repository.js';

export interface Registration {
  /** Registers in spite of a possible duplicate; the audit says so. */
  readonly force: boolean;
}

/** The most patients that one registration is compared with, and the most of them that the refusal names. */
export const duplicateLimits = { compared: 200, named: 10 } as const;

/** Ends the transaction of a registration that may be somebody's second; outside it becomes 409 with candidates. */
class PossibleDuplicate extends Error {
  override readonly name = 'PossibleDuplicate';
  constructor(readonly candidates: readonly Candidate[]) {
    super('possibly registered already');
  }
}

/** Registers people once. */
@Injectable()
export class RegistrationService {
  readonly #records: PatientRecords;
  readonly #rows = new PatientsRepository();
  readonly #tokens = new TokensRepository();
  readonly #envelopes: Envelopes;
  readonly #blindIndex: BlindIndex;

  constructor(private readonly parts: PatientParts) {
    this.#records = new PatientRecords(parts);
    this.#envelopes = new Envelopes(parts.crypto);
    this.#blindIndex = new BlindIndex(parts.crypto);
  }

  async create(ctx: TenantContext, person: Demographics, { force }: Registration): Promise<Patient> {
    demand(ctx, 'patient.create');
    this.#records.expectBorn(person);
    const id = newId<PatientId>();
    const prepared = await this.#records.prepare(ctx, id, person);
    try {
      return await this.parts.sharding.writeOnce(ctx, async (tx) => {
        if (!force) await this.#expectNew(tx, person);
        return this.#records.insert(tx, id, person, prepared, force);
      });
    } catch (error) {
      throw error instanceof PossibleDuplicate
        ? await this.#refusal(ctx, error)
        : await this.parts.quotas.refusalOf(ctx, error);
    }
  }

  /** Two registrations of one person wait for each other: the second sees the first. */
  async #expectNew(tx: WriteContext, person: Demographics): Promise<void> {
    this.#tokens.lock(tx, await this.#blindIndex.rowsOf(tx, blockingTokensOf(person)));
    const wanted = await this.#blindIndex.wantedOf(tx, blockingCriteriaOf(person));
    const ids = await this.#tokens.find(tx, wanted, 1, duplicateLimits.compared);
    if (ids.length === 0) return;
    const candidates = await this.#candidates(tx, person, ids);
    if (candidates.length > 0) throw new PossibleDuplicate(candidates.slice(0, duplicateLimits.named));
  }

  /** The likeliest first. */
  async #candidates(tx: WriteContext, person: Demographics, ids: readonly PatientId[]): Promise<readonly Candidate[]> {
    const rows = await this.#rows.readMany(tx, ids);
    const known = await Promise.all(rows.map((row) => this.#envelopes.open(tx, row)));
    const asked = comparableOf(person);
    const matches = known.map((other) => ({ patientId: other.id, ...compare(asked, comparableOf(other)) }));
    const candidates = matches.filter((match): match is Candidate => match.grade !== null);
    return candidates.sort((a, b) => b.score - a.score);
  }

  /** Whoever asked learns that these people exist and what they have in common: that is on record before they do. */
  async #refusal(ctx: TenantContext, { candidates }: PossibleDuplicate) {
    await this.parts.audit.recordRead(ctx, {
      action: 'patient.match',
      resourceType: 'patient',
      subjectIds: candidates.map(({ patientId }) => patientId),
    });
    const shown = candidates.map(({ patientId, grade, score, agreements }) => ({
      patientId,
      grade,
      score,
      fields: Object.entries(agreements).flatMap(([field, agreement]) => (agrees(agreement) ? [field] : [])),
    }));
    return fail('patient.possible_duplicate', { extra: { candidates: shown } });
  }
}
