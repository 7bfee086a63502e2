import type { TenantCrypto } from '#infra/crypto';
import type { TenantId } from '#infra/kernel';
import type { RecordDraft } from './mapping.js';
import { Occurrences, rowIdentityText } from './normal-form.js';
import type { KnownRecord } from './records.repository.js';
import type { SourceId } from './source.js';

/** 128 bits of HMAC-SHA-256: two different rows of a million million have the same one with a chance of 10^-15. */
const hashBytes = 16;

/** By what a record is known again. */
export type RecordKey = KnownRecord;

/** `new`: nothing like it in this file yet. `duplicate`: says what a row with its id said. `conflict`: says something else. */
export type Placed = { readonly is: 'new'; readonly key: RecordKey } | { readonly is: 'duplicate' | 'conflict' };

/**
 * What makes the rows of one file the records that they are: the source's own id where it has one; else all that the row
 * says, and that it is the nth to say so.
 */
export class RecordKeys {
  readonly #occurrences = new Occurrences();
  readonly #rowsOfIds = new Map<string, string>();

  constructor(
    private readonly crypto: TenantCrypto,
    private readonly tenantId: TenantId,
    private readonly sourceId: SourceId,
  ) {}

  /** To be asked in the order of the file. */
  async place(draft: RecordDraft): Promise<Placed> {
    const rowHash = await this.#hash('row', rowIdentityText(draft));
    if (draft.externalId === null)
      return { is: 'new', key: { keyHash: rowHash, rowHash, occurrence: this.#occurrences.next(nameOf(rowHash)) } };
    const keyHash = await this.#hash('id', draft.externalId);
    const [id, row] = [nameOf(keyHash), nameOf(rowHash)];
    const earlier = this.#rowsOfIds.get(id);
    if (earlier !== undefined) return { is: earlier === row ? 'duplicate' : 'conflict' };
    this.#rowsOfIds.set(id, row);
    return { is: 'new', key: { keyHash, rowHash, occurrence: 1 } };
  }

  /** Under a key that is never rotated, or a file sent again later would be a new one. */
  async #hash(kind: 'row' | 'id', text: string): Promise<Buffer> {
    const hash = await this.crypto.fingerprint(this.tenantId, [`reconciliation.${kind}`, this.sourceId, text]);
    return hash.subarray(0, hashBytes);
  }
}

const nameOf = (hash: Buffer): string => hash.toString('latin1');

/** Those among `known` that a new row may be. */
export class KnownRecords {
  readonly #rows: ReadonlyMap<string, string>;

  constructor(known: readonly KnownRecord[]) {
    this.#rows = new Map(known.map((each) => [placeOf(each), nameOf(each.rowHash)]));
  }

  verdictOn(key: RecordKey): Placed['is'] {
    const row = this.#rows.get(placeOf(key));
    if (row === undefined) return 'new';
    return row === nameOf(key.rowHash) ? 'duplicate' : 'conflict';
  }
}

const placeOf = ({ keyHash, occurrence }: RecordKey): string => `${nameOf(keyHash)}${occurrence}`;
