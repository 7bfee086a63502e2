import { Limits } from '#infra/throttling';
import { type Api, type Call, join, type Side } from './world.js';

type Sample = Omit<Call, 'method' | 'path'>;
type MakeSample = (api: Api, side: Side) => Promise<Sample> | Sample;

const plain: MakeSample = (_, side) => ({ token: side.owner.token });
const ofOwnCompany: MakeSample = (_, side) => ({
  token: side.owner.token,
  query: { companyId: side.ctx.tenant.id },
});

const blockMs = 60_000;
/** Somebody of the tenant who is blocked. */
async function blockedColleague(api: Api, { ctx, slug, owner }: Side): Promise<Sample> {
  const { id } = await join(api, ctx, slug, ['billing']);
  await api.app.get(Limits).blocks.note(`limits:{t:${ctx.tenant.id}}:u:${id}:abuse`, blockMs);
  return { token: owner.token, body: { userId: id } };
}

let networks = 0;
/** Of all the house, nobody has listed it. */
function freshNetwork(): string {
  networks += 1;
  return `2001:db8:${networks.toString(16)}::/64`;
}
async function listedNetwork(api: Api, { owner }: Side): Promise<Sample> {
  const network = freshNetwork();
  await api.must({ method: 'POST', path: '/api/v1/admin/limits/networks', token: owner.token, body: { network } });
  return { token: owner.token, query: { network } };
}

/** Routes of whoever looks after the servers. */
export const operationsSamples: Readonly<Record<string, MakeSample>> = {
  ServersController_everything: plain,
  ServersController_databases: plain,
  ServersController_caches: plain,
  SlowQueriesController_slowQueries: plain,
  SlowQueriesController_slowQueriesUnderBase: plain,
  CacheStatsController_stats: ofOwnCompany,
  CacheStatsController_statsUnderBase: ofOwnCompany,
  LimitsController_list: plain,
  LimitsController_unblock: blockedColleague,
  LimitsController_listNetworks: plain,
  LimitsController_addNetwork: (_, side) => ({ token: side.owner.token, body: { network: freshNetwork() } }),
  LimitsController_removeNetwork: listedNetwork,
};
