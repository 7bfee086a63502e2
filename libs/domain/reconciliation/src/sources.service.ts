import { Injectable } from '@nestjs/common';
import { newId, type Page, type PageRequest, type TenantContext } from '#infra/kernel';
import type { ReconciliationParts } from './parts.js';
import { fail } from './reconciliation.errors.js';
import { demand } from './reconciliation.policy.js';
import type { NewestKey, NewSource, Source, SourceId } from './source.js';
import { SourcesRepository } from './sources.repository.js';

/** Where records come from. */
@Injectable()
export class SourcesService {
  readonly #rows = new SourcesRepository();

  constructor(private readonly parts: Pick<ReconciliationParts, 'sharding' | 'audit' | 'clock'>) {}

  async create(ctx: TenantContext, { code, name, kind, mapping }: NewSource): Promise<Source> {
    demand(ctx, 'source.create');
    return this.parts.sharding.writeOnce(ctx, async (tx) => {
      const createdAt = this.parts.clock.now();
      const id = newId<SourceId>();
      const source: Source = { id, code, name, kind, mapping, currency: mapping.currency, createdAt };
      await this.#rows.insert(tx, source);
      await this.parts.audit.record(tx, { action: 'reconciliation.create_source', ...resource, resourceId: id });
      return source;
    });
  }

  async read(ctx: TenantContext, id: SourceId): Promise<Source> {
    demand(ctx, 'source.read');
    const source = await this.parts.sharding.read(ctx, (tx) => this.#rows.read(tx, id));
    if (!source) throw fail('source.not_found');
    await this.parts.audit.recordRead(ctx, { action: 'reconciliation.read_source', ...resource, resourceId: id });
    return source;
  }

  /** Newest first. */
  async list(ctx: TenantContext, page: PageRequest<NewestKey>): Promise<Page<Source, NewestKey>> {
    demand(ctx, 'source.read');
    const found = await this.parts.sharding.read(ctx, (tx) => this.#rows.list(tx, page), { from: 'replica' });
    await this.parts.audit.recordRead(ctx, { action: 'reconciliation.list_sources', ...resource });
    return found;
  }
}

const resource = { resourceType: 'reconciliation_source' } as const;
