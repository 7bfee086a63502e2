import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { newId, type TenantContext } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import { Envelopes } from './envelopes.js';
import { filePartsOf } from './file-parts.js';
import type { ReconciliationParts } from './parts.js';
import { fail } from './reconciliation.errors.js';
import { ingestStatement } from './reconciliation.jobs.js';
import { demand } from './reconciliation.policy.js';
import type { SourceId } from './source.js';
import { SourcesRepository } from './sources.repository.js';
import { type Statement, type StatementId, statementLimits } from './statement.js';
import { presentStatement } from './statement-reading.js';
import { type ReceivedFile, type StatementRow, StatementsRepository } from './statements.repository.js';
import { newPartId, UploadPartsRepository } from './upload-parts.repository.js';

export interface Upload {
  readonly statement: Statement;
  /** The source had sent these bytes before: this is what became of them, and nothing is new. */
  readonly known: boolean;
}

/** The other upload of the same file may be refused at the moment in which this one gives way to it. */
const closeAttempts = 3;
const discardTimeoutMs = 5_000;

/**
 * Takes files in as they come: cut into parts, each sealed and stored by itself, so that no more than two parts are in
 * memory. Nothing counts until the last byte is here; then the statement waits for its ingest. The same bytes for the
 * same source are the same statement, which is all the idempotency that it needs.
 */
@Injectable()
export class UploadService {
  readonly #sources = new SourcesRepository();
  readonly #rows = new StatementsRepository();
  readonly #parts = new UploadPartsRepository();
  readonly #envelopes: Envelopes;

  constructor(private readonly parts: ReconciliationParts) {
    this.#envelopes = new Envelopes(parts.crypto);
  }

  /** What `bytes` throws ends the upload, and leaves nothing. */
  async receive(ctx: TenantContext, sourceId: SourceId, bytes: AsyncIterable<Buffer>): Promise<Upload> {
    demand(ctx, 'statement.upload');
    const id = newId<StatementId>();
    await this.parts.sharding.write(ctx, async (tx) => {
      if (!(await this.#sources.read(tx, sourceId))) throw fail('source.not_found');
      this.#rows.open(tx, id, sourceId, this.parts.clock.now());
    });
    try {
      const file = await this.#store(ctx, id, bytes);
      return await this.#close(ctx, id, sourceId, file);
    } catch (error) {
      await this.#discard(ctx, id);
      throw error;
    }
  }

  async #store(ctx: TenantContext, id: StatementId, content: AsyncIterable<Buffer>): Promise<ReceivedFile> {
    const hash = createHash('sha256');
    let [bytes, parts] = [0, 0];
    for await (const part of filePartsOf(content, statementLimits.partBytes)) {
      hash.update(part);
      bytes += part.length;
      parts += 1;
      const partId = newPartId();
      const sealed = await this.#envelopes.sealPart(ctx, partId, part);
      await this.parts.sharding.write(ctx, async (tx) => this.#parts.insert(tx, id, parts, { id: partId, sealed }), {
        readBack: false,
      });
    }
    if (bytes === 0) throw fail('statement.empty');
    const sha256 = hash.digest();
    const contentHash = await this.parts.crypto.fingerprint(ctx.tenant.id, ['reconciliation.file', sha256]);
    return { bytes, parts, contentHash, digest: await this.#envelopes.sealDigest(ctx, id, sha256) };
  }

  async #close(ctx: TenantContext, id: StatementId, sourceId: SourceId, file: ReceivedFile): Promise<Upload> {
    const { sharding, audit, quotas } = this.parts;
    const closed = sharding.write(ctx, async (tx) => {
      const found = await this.#closeOrFind(tx, id, sourceId, file);
      await audit.record(tx, {
        action: 'reconciliation.upload',
        resourceType: 'statement',
        resourceId: found.row.id,
      });
      if (!found.known) await quotas.consume(tx, 'storageBytes', file.bytes);
      return found;
    });
    const { row, known } = await quotas.refusing(ctx, closed);
    return { statement: await presentStatement(this.#envelopes, ctx, row), known };
  }

  async #closeOrFind(tx: WriteContext, id: StatementId, sourceId: SourceId, file: ReceivedFile) {
    for (let attempt = 1; attempt <= closeAttempts; attempt += 1) {
      if (await tx.db.attempt(() => this.#rows.close(tx, id, file, this.parts.clock.now()))) {
        await this.parts.outbox.append(tx, ingestStatement.entry(sourceId, { statementId: id }));
        return { row: await this.#expect(tx, id), known: false };
      }
      const row = await this.#rows.ofContent(tx, sourceId, file.contentHash);
      if (!row) continue;
      this.#rows.discard(tx, id);
      return { row, known: true };
    }
    throw fail('statement.contended', { retryAfterMs: 1_000 });
  }

  async #expect(tx: WriteContext, id: StatementId): Promise<StatementRow> {
    const row = await this.#rows.read(tx, id);
    if (!row) throw fail('statement.not_found');
    return row;
  }

  /** What cannot be removed now is removed after a day. */
  async #discard(ctx: TenantContext, id: StatementId): Promise<void> {
    const late = { ...ctx, deadline: this.parts.clock.now() + discardTimeoutMs };
    await this.parts.sharding
      .write(late, async (tx) => this.#rows.discard(tx, id), { readBack: false })
      .catch(() => undefined);
  }
}
