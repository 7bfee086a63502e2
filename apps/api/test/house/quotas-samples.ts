import type { Api, Call, Side } from './world.js';

type Sample = Omit<Call, 'method' | 'path'>;
type MakeSample = (api: Api, side: Side) => Sample;

const plain: MakeSample = (_, side) => ({ token: side.owner.token });
const ofOwnCompany: MakeSample = (_, side) => ({
  token: side.owner.token,
  params: { companyId: side.ctx.tenant.id },
});

/** Routes about how much of its plan a tenant uses. */
export const quotasSamples: Readonly<Record<string, MakeSample>> = {
  QuotasController_own: plain,
  QuotasController_plans: plain,
  CompanyQuotasController_read: ofOwnCompany,
  CompanyQuotasController_readUnderBase: ofOwnCompany,
};
