import type { Audit, AuditEvent } from '#infra/audit';
import { may, type TenantContext } from '#infra/kernel';
import type { Block, BlockedSubject, Blocks } from './blocks.js';
import type { TenantNetworks } from './tenant-networks.js';
import { fail } from './throttling.errors.js';

interface TenantBlocksParts {
  readonly blocks: Blocks;
  readonly networks: TenantNetworks;
  readonly audit: Audit;
}

const awayRetryAfterMs = 1_000;

/**
 * What a tenant may see of all blocks: those of its own users, which it may lift, and of addresses in the networks that it
 * has listed as its own. Everything else is the operator's (`praxis limits`).
 */
export class TenantBlocks {
  constructor(private readonly parts: TenantBlocksParts) {}

  /** Those that stand now, the longest last. Throws limit.away. */
  async list(ctx: TenantContext): Promise<readonly Block[]> {
    demand(ctx, 'operations.read');
    const all = await asked(this.parts.blocks.list());
    const mine = [];
    for (const block of all) if (await this.#isMine(ctx, block.subject)) mine.push(block);
    await this.#record(ctx, { action: 'limit.list_blocks', resourceType: 'limit' });
    return mine;
  }

  /** Throws limit.unknown where it is not blocked, or not the tenant's; limit.away. */
  async lift(ctx: TenantContext, subject: BlockedSubject): Promise<void> {
    demand(ctx, 'users.manage');
    const { blocks } = this.parts;
    // What an address did to others is not one tenant's to forgive: the operator lifts it (`praxis limits unblock`).
    if (subject.kind === 'address') throw fail('limit.unknown');
    if (!(await this.#isMine(ctx, subject)) || !(await asked(blocks.has(subject)))) throw fail('limit.unknown');
    await this.#record(ctx, { action: 'limit.unblock', resourceType: 'user', resourceId: subject.userId });
    await asked(blocks.lift(subject));
  }

  async #isMine({ tenant }: TenantContext, subject: BlockedSubject): Promise<boolean> {
    return subject.kind === 'user'
      ? subject.tenantId === tenant.id
      : this.parts.networks.contain(tenant, subject.address.replace(/\/64$/, ''));
  }

  #record(ctx: TenantContext, event: AuditEvent): Promise<void> {
    return this.parts.audit.recordRead(ctx, event, 'directory');
  }
}

function demand(ctx: TenantContext, permission: string): void {
  if (!may(ctx, permission)) throw fail('limit.denied');
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw fail('limit.away', { cause, retryAfterMs: awayRetryAfterMs });
  }
}
