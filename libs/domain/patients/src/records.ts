import type { Audit } from '#infra/audit';
import type { TenantCrypto } from '#infra/crypto';
import { type Clock, newId, type TenantContext } from '#infra/kernel';
import type { Outbox } from '#infra/queues';
import type { Quotas } from '#infra/quotas';
import type { Sharding, WriteContext } from '#infra/sharding';
import { addDays, localDateOf, minuteOfInstant } from '#infra/time';
import { BlindIndex } from './blind-index.js';
import { Envelopes } from './envelopes.js';
import {
  type Demographics,
  demographicFields,
  demographicsOf,
  differingFields,
  type Patient,
  type PatientId,
} from './patient.js';
import { fail } from './patients.errors.js';
import { factOf } from './patients.facts.js';
import { PatientsRepository } from './patients.repository.js';
import { tokensOf } from './tokens.js';
import { type TokenRow, TokensRepository } from './tokens.repository.js';

export interface PatientParts {
  readonly sharding: Sharding;
  readonly audit: Audit;
  readonly outbox: Outbox;
  readonly crypto: TenantCrypto;
  readonly clock: Clock;
  readonly quotas: Quotas;
}

/** What rows hold of a version. */
interface Prepared {
  readonly versionId: string;
  readonly sealed: Buffer;
  readonly sealedVersion: Buffer;
  readonly tokens: readonly TokenRow[];
}

/** How a version came about. */
export type Change =
  | { readonly event: 'updated'; readonly restoredFrom: null }
  | { readonly event: 'restored'; readonly restoredFrom: number };

/** The one way in which patients are written: row, version, tokens, fact and audit together or not at all. */
export class PatientRecords {
  readonly #rows = new PatientsRepository();
  readonly #tokens = new TokensRepository();
  readonly #envelopes: Envelopes;
  readonly #blindIndex: BlindIndex;

  constructor(private readonly parts: PatientParts) {
    this.#envelopes = new Envelopes(parts.crypto);
    this.#blindIndex = new BlindIndex(parts.crypto);
  }

  /** Everything that needs keys, which come from elsewhere. */
  async prepare(ctx: TenantContext, id: PatientId, demographics: Demographics): Promise<Prepared> {
    const versionId = newId();
    const [sealed, sealedVersion, tokens] = await Promise.all([
      this.#envelopes.seal(ctx, id, demographics),
      this.#envelopes.sealVersion(ctx, versionId, demographics),
      this.#blindIndex.rowsOf(ctx, tokensOf(demographics)),
    ]);
    return { versionId, sealed, sealedVersion, tokens };
  }

  /** `force`: registered in spite of a possible duplicate. */
  async insert(
    tx: WriteContext,
    id: PatientId,
    demographics: Demographics,
    { versionId, sealed, sealedVersion, tokens }: Prepared,
    force: boolean,
  ): Promise<Patient> {
    const now = this.parts.clock.now();
    const row = { id, version: 1, createdAt: now, updatedAt: now };
    const fields = demographicFields.filter((field) => demographics[field] !== null);
    const remark = { id: versionId, event: 'created', restoredFrom: null, changed: fields } as const;
    this.#rows.insert(tx, { ...row, sealed });
    this.#tokens.insert(tx, id, tokens);
    this.#rows.remember(tx, { ...row, sealed }, { ...remark, sealed: sealedVersion });
    await this.parts.outbox.append(tx, factOf('created', row));
    await this.parts.audit.record(tx, {
      action: 'patient.create',
      resourceType: 'patient',
      resourceId: id,
      subjectIds: [id],
      fields: force ? [...fields, 'force'] : fields,
      versionTo: 1,
    });
    await this.parts.quotas.consume(tx, 'patients');
    return { ...row, ...demographicsOf(demographics) };
  }

  /** The next version; the caller holds the row of `current`. */
  async change(tx: WriteContext, current: Patient, next: Demographics, change: Change): Promise<Patient> {
    const { id, createdAt } = current;
    const { versionId, sealed, sealedVersion, tokens } = await this.prepare(tx, id, next);
    const row = { id, createdAt, version: current.version + 1, updatedAt: this.parts.clock.now() };
    const fields = differingFields(current, next);
    this.#rows.update(tx, { ...row, sealed });
    this.#tokens.replace(tx, id, tokens);
    this.#rows.remember(tx, { ...row, sealed }, { ...change, id: versionId, changed: fields, sealed: sealedVersion });
    await this.parts.outbox.append(tx, factOf('updated', row));
    await this.parts.audit.record(tx, {
      action: change.event === 'restored' ? 'patient.restore' : 'patient.update',
      resourceType: 'patient',
      resourceId: id,
      subjectIds: [id],
      fields,
      versionFrom: current.version,
      versionTo: row.version,
    });
    return { ...row, ...demographicsOf(next) };
  }

  /** Nobody is born after today, wherever on earth today has come furthest. */
  expectBorn({ birthDate }: Pick<Demographics, 'birthDate'>): void {
    const latest = addDays(localDateOf(minuteOfInstant(this.parts.clock.now()), 'UTC'), 1);
    if (birthDate === null || birthDate <= latest) return;
    throw fail('patient.born_later', { mistakes: [{ pointer: '/birthDate', detail: 'must not lie in the future' }] });
  }
}
