import type { Api, Call, Side } from './world.js';

type Sample = Omit<Call, 'method' | 'path'>;
type MakeSample = (api: Api, side: Side) => Sample;

const plain: MakeSample = (_, side) => ({ token: side.owner.token });
const ofOwnCompany: MakeSample = (_, side) => ({
  token: side.owner.token,
  query: { companyId: side.ctx.tenant.id },
});

/** Routes of whoever looks after the servers. */
export const operationsSamples: Readonly<Record<string, MakeSample>> = {
  ServersController_everything: plain,
  ServersController_databases: plain,
  ServersController_caches: plain,
  CacheStatsController_stats: ofOwnCompany,
  CacheStatsController_statsUnderBase: ofOwnCompany,
};
