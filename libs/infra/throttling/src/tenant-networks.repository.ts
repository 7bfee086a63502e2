import { type Id, type Instant, type TenantId, toDate } from '#infra/kernel';
import { type ReadContext, violatedConstraint, type WriteContext } from '#infra/sharding';
import { fail } from './throttling.errors.js';

export type NetworkId = Id<'network'>;

export interface TenantNetwork {
  readonly id: NetworkId;
  /** `203.0.113.0/29` */
  readonly network: string;
  readonly createdAt: Instant;
}

interface Row {
  readonly id: NetworkId;
  readonly network: string;
  readonly createdAt: Date;
}

const columns = 'id, network::text as network, created_at as "createdAt"';
const present = ({ createdAt, ...row }: Row): TenantNetwork => ({ ...row, createdAt: createdAt.getTime() });

export class TenantNetworksRepository {
  /** In the order of their addresses. */
  async list(tx: ReadContext, max: number): Promise<readonly TenantNetwork[]> {
    const rows = await tx.db.query<Row>(
      `select ${columns} from tenant_network where tenant_id = $1 order by network limit $2`,
      [tx.tenant.id, max],
    );
    return rows.map(present);
  }

  /** Throws network.taken; null where the tenant has `max` already. One at a time in a tenant. */
  async insert(
    tx: WriteContext,
    id: NetworkId,
    network: string,
    at: Instant,
    max: number,
  ): Promise<TenantNetwork | null> {
    await tx.db.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [lockName(tx.tenant.id)]);
    try {
      const [row] = await tx.db.query<Row>(
        `insert into tenant_network (tenant_id, id, network, created_at)
         select $1, $2, network($3::inet), $4
          where (select count(*) from tenant_network where tenant_id = $1) < $5
         returning ${columns}`,
        [tx.tenant.id, id, network, toDate(at), max],
      );
      return row === undefined ? null : present(row);
    } catch (error) {
      if (violatedConstraint(error) === 'tenant_network_tenant_id_network_key') throw fail('network.taken');
      throw error;
    }
  }

  /** The id that it had; null where there was none. */
  async delete(tx: WriteContext, network: string): Promise<NetworkId | null> {
    const [row] = await tx.db.query<{ readonly id: NetworkId }>(
      'delete from tenant_network where tenant_id = $1 and network = network($2::inet) returning id',
      [tx.tenant.id, network],
    );
    return row?.id ?? null;
  }
}

const lockName = (tenantId: TenantId): string => `tenant_network ${tenantId}`;
