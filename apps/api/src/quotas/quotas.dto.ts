import { z } from 'zod';
import { plans, type TenantId } from '#infra/kernel';
import { planLimits, type QuotaReport, quotaLevels, quotaResources } from '#infra/quotas';
import { allOf, idOf, instantText, utcText } from '../edge/index.js';

const limit = z.int().nullable().meta({ description: 'null: as many as wanted' });
const resource = z.enum(quotaResources).meta({
  description:
    '`orders` are visits and point-of-sale records of this month, `products` services of the catalogue, `exams` clinical notes',
});

const usage = z.strictObject({
  resource,
  used: z.int(),
  limit,
  percent: z.number().nullable().meta({ description: 'of the limit; above 100 after a change to a smaller plan' }),
  warning: z.literal(quotaLevels).nullable(),
  resetAt: instantText.nullable().meta({ description: 'null: what exists counts until it is removed' }),
});
export const quotasAnswer = z.strictObject({
  plan: z.enum(plans),
  at: instantText.meta({ description: 'up to a minute ago' }),
  quotas: z.array(usage),
});
export const plansAnswer = allOf(
  z.strictObject({ plan: z.enum(plans), limits: z.array(z.strictObject({ resource, limit })) }),
);
export const companyId = idOf<TenantId>('tenant');

export const presentQuotas = ({ plan, at, resources }: QuotaReport) =>
  ({
    plan,
    at: utcText(at),
    quotas: resources.map(({ level, resetAt, ...of }) => ({
      ...of,
      warning: level === 0 ? null : level,
      resetAt: resetAt === null ? null : utcText(resetAt),
    })),
  }) satisfies z.input<typeof quotasAnswer>;

export const presentPlans = () =>
  ({
    data: plans.map((plan) => ({
      plan,
      limits: quotaResources.map((of) => ({ resource: of, limit: planLimits[plan][of] })),
    })),
  }) satisfies z.input<typeof plansAnswer>;
