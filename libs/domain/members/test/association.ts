import { randomInt } from 'node:crypto';
import { Cache, cacheConfig } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { newId, type TenantContext } from '#infra/kernel';
import { Catalogue, Nudge, Outbox } from '#infra/queues';
import { Quotas } from '#infra/quotas';
import { createLog, Metrics } from '#infra/telemetry';
import type { TestDatabases } from '#infra/testing';
import type { LocalDate } from '#infra/time';
import { CardCodes, cardCodeKeyLabel } from '../src/card-code.js';
import { CardPictures } from '../src/card-pictures.js';
import { CardsService } from '../src/cards.service.js';
import type { NewMember, Period } from '../src/member.js';
import { memberFacts } from '../src/members.facts.js';
import { memberJobs } from '../src/members.jobs.js';
import { MembersService } from '../src/members.service.js';
import { VerificationService } from '../src/verification.service.js';

const identity = { app: 'test', version: '0.0.0' };

/** The domain as an app wires it, on databases of a spec. */
export function openServices(db: TestDatabases) {
  const { sharding, audit, crypto, clock, redis } = db;
  const log = createLog({ level: 'error', service: 'test' }, identity);
  const outbox = new Outbox(new Catalogue({ jobs: memberJobs, facts: memberFacts }), new Nudge(redis, log), clock);
  const quotas = new Quotas({ sharding, clock, log, metrics: new Metrics() });
  const parts = { sharding, audit, outbox, crypto, clock, quotas };
  const codes = new CardCodes(db.rootKey.derive(cardCodeKeyLabel));
  const { cache: config } = parseConfig({ cache: cacheConfig }, db.env);
  const cache = new Cache({ config, redis, crypto, audit, log, metrics: new Metrics(), clock });
  return {
    codes,
    cache,
    members: new MembersService(parts, cache),
    cards: new CardsService(parts, codes, new CardPictures(cache)),
    verification: new VerificationService(parts, codes),
  };
}
export type Services = ReturnType<typeof openServices>;

export const day = (text: string) => text as LocalDate;
export const period = (from: string, until: string | null = null, tz = 'Africa/Johannesburg'): Period => ({
  from: day(from),
  until: until === null ? null : day(until),
  tz,
});

export const newPassport = () => `P${newId().replaceAll('-', '').slice(-16)}${randomInt(10)}`;

export const newMember = (words: Partial<NewMember> = {}): NewMember => ({
  name: { given: 'Wilhelmina', family: 'Canary' },
  idScheme: 'generic',
  idNumber: newPassport(),
  membership: period('2026-01-01'),
  ...words,
});

/** A tenant whose requests are waited for however the clock is moved. */
export const newAssociation = async (db: TestDatabases, shardId = 'shard-1'): Promise<TenantContext> => ({
  ...(await db.newTenant({ shardId, plan: 'ENTERPRISE' })),
  deadline: Number.MAX_SAFE_INTEGER,
});

/** The same tenant, seen by another request. */
export const again = (ctx: TenantContext): TenantContext => ({ ...ctx, requestId: newId() });

export async function issuedCard(services: Services, ctx: TenantContext, words: Partial<NewMember> = {}) {
  const member = await services.members.enrol(ctx, newMember(words));
  const card = await services.cards.issue(ctx, member.id, true);
  return { member, card, scan: services.codes.write({ tenantId: ctx.tenant.id, cardId: card.id, version: 1 }) };
}
