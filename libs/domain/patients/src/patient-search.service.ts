import { Injectable } from '@nestjs/common';
import type { TenantContext } from '#infra/kernel';
import type { ReadContext } from '#infra/sharding';
import { BlindIndex } from './blind-index.js';
import { criteriaOf, fits, type PatientCriteria } from './criteria.js';
import { Envelopes } from './envelopes.js';
import { joined, wordsOf } from './names.js';
import type { Patient } from './patient.js';
import { fail } from './patients.errors.js';
import { demand } from './patients.policy.js';
import { PatientsRepository } from './patients.repository.js';
import type { PatientParts } from './records.js';
import { TokensRepository, type WantedToken } from './tokens.repository.js';

/** The most patients that one search takes from the index, and how many of them it opens at a time. */
export const searchLimits = { candidates: 1_000, chunk: 100 } as const;

export interface SearchResult {
  /** Whole names before those that begin so, then by name. */
  readonly items: readonly Patient[];
  /** There are, or may be, more: ask more closely. */
  readonly truncated: boolean;
}

interface Found {
  readonly patient: Patient;
  readonly exactly: boolean;
}

/** Finds people by what they say of themselves, though no row says it. */
@Injectable()
export class PatientSearchService {
  readonly #rows = new PatientsRepository();
  readonly #tokens = new TokensRepository();
  readonly #envelopes: Envelopes;
  readonly #blindIndex: BlindIndex;

  constructor(private readonly parts: Pick<PatientParts, 'sharding' | 'audit' | 'crypto'>) {
    this.#envelopes = new Envelopes(parts.crypto);
    this.#blindIndex = new BlindIndex(parts.crypto);
  }

  /** At most `limit` people, each of whom meets every condition. */
  async search(ctx: TenantContext, asked: PatientCriteria, limit: number): Promise<SearchResult> {
    demand(ctx, 'patient.search');
    const criteria = criteriaOf(asked);
    if (criteria.length === 0) throw fail('patient.nothing_asked');
    const wanted = await this.#blindIndex.wantedOf(ctx, criteria);
    const { found, truncated } = await this.parts.sharding.read(
      ctx,
      (tx) => this.#find(tx, asked, { wanted, atLeast: criteria.length, limit }),
      { from: 'replica' },
    );
    const items = inOrder(found).slice(0, limit);
    await this.parts.audit.recordRead(ctx, {
      action: 'patient.search',
      resourceType: 'patient',
      subjectIds: items.map(({ id }) => id),
      fields: Object.entries(asked).flatMap(([field, value]) => (value === undefined ? [] : [field])),
    });
    return { items, truncated };
  }

  /** The index names candidates; each is opened and looked at, until there are more than can be shown. */
  async #find(
    tx: ReadContext,
    asked: PatientCriteria,
    { wanted, atLeast, limit }: { wanted: readonly WantedToken[]; atLeast: number; limit: number },
  ): Promise<{ found: readonly Found[]; truncated: boolean }> {
    const named = await this.#tokens.find(tx, wanted, atLeast, searchLimits.candidates + 1);
    const ids = named.slice(0, searchLimits.candidates);
    const found: Found[] = [];
    for (let from = 0; from < ids.length && found.length <= limit; from += searchLimits.chunk) {
      const rows = await this.#rows.readMany(tx, ids.slice(from, from + searchLimits.chunk));
      for (const patient of await Promise.all(rows.map((row) => this.#envelopes.open(tx, row)))) {
        const how = fits(patient, asked);
        if (how !== 'not') found.push({ patient, exactly: how === 'exactly' });
      }
    }
    return { found, truncated: found.length > limit || named.length > ids.length };
  }
}

function inOrder(found: readonly Found[]): readonly Patient[] {
  const keyed = found.map(({ patient, exactly }) => {
    const names = [patient.family, patient.given].map((name) => joined(wordsOf(name)));
    return { patient, key: [exactly ? '0' : '1', ...names, patient.id].join(' ') };
  });
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ patient }) => patient);
}
