import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { type Context, pageOf as cut, defineErrors, type Id, newId } from '#infra/kernel';
import {
  Access,
  Ctx,
  emailAddress,
  IfMatch,
  idOf,
  instant,
  line,
  listQuery,
  localDate,
  money,
  PageQuery,
  type Paging,
  pageOf,
  presentPage,
  prose,
} from '../src/edge/index.js';

export type ThingId = Id<'thing'>;

const fail = defineErrors({
  'thing.taken': { kind: 'conflict', public: 'This thing is taken.' },
  'thing.changed': { kind: 'precondition_failed', public: 'This thing has changed since you read it.' },
  'thing.broken': { kind: 'internal', public: 'The table named thing is broken.' },
});

const thing = z.strictObject({ id: idOf<ThingId>('thing'), name: z.string(), version: z.int() });
const newThing = z.strictObject({
  name: line(40),
  note: prose(500).optional(),
  ownerId: idOf<ThingId>('thing').nullable().optional(),
  startsAt: instant.optional(),
  on: localDate.optional(),
  email: emailAddress.optional(),
  price: money.optional(),
  parts: z
    .array(z.strictObject({ kind: z.enum(['room', 'device']), minutes: z.int().min(1).max(600) }))
    .max(100)
    .optional(),
});
const rename = z.strictObject({ name: line(40) });

const read = { permission: 'things.read', audit: 'thing.read', limit: 'read' } as const;
const manage = { permission: 'things.manage', audit: 'thing.manage', limit: 'write' } as const;
const lastThing = 120;
const thingVersion = 3;

/** A noun of no domain, on which every promise of the edge can be seen. */
@Controller('api/v1/things')
export class ThingsController {
  @Get()
  @Access({ ...read, answers: pageOf(z.strictObject({ n: z.int() })), summary: 'Things' })
  list(
    @Query({ schema: listQuery({ colour: z.enum(['red', 'blue']).optional() }) }) _query: object,
    @PageQuery() page: Paging<{ n: number }>,
  ) {
    const { limit, after, before, skip = 0, counted } = page;
    const all = Array.from({ length: lastThing }, (_, i) => i + 1);
    const rows = before ? all.filter((n) => n < before.n).reverse() : all.filter((n) => n > (after?.n ?? 0));
    const keyOf = (n: number) => ({ n });
    const found = cut(rows.slice(skip, skip + limit + 1), page, keyOf);
    return presentPage(page, counted ? { ...found, total: { rows: lastThing, isEstimate: false } } : found, keyOf);
  }

  @Get('few')
  @Access({ ...read, answers: null, summary: 'A list of small pages' })
  few(@Query({ schema: listQuery({}, 'small') }) _query: object, @PageQuery() page: Paging<{ n: number }>) {
    return { limit: page.limit, skip: page.skip };
  }

  @Get('many')
  @Access({ ...read, answers: null, summary: 'A list of large pages' })
  many(@Query({ schema: listQuery({}, 'large') }) _query: object, @PageQuery() page: Paging<{ n: number }>) {
    return { limit: page.limit, skip: page.skip };
  }

  @Get('lines')
  @Access({ ...read, answers: null, summary: 'A list of the largest pages' })
  lines(@Query({ schema: listQuery({}, 'xlarge') }) _query: object, @PageQuery() page: Paging<{ n: number }>) {
    return { limit: page.limit, skip: page.skip };
  }

  @Get('others')
  @Access({ ...read, answers: pageOf(z.strictObject({ n: z.int() })), summary: 'Other things' })
  others(@Query({ schema: listQuery({}) }) _query: object, @PageQuery() page: Paging<{ n: number }>) {
    return presentPage(page, { items: [1], next: { n: 1 }, previous: null }, (n) => ({ n }));
  }

  @Get('mine')
  @Access({ permission: 'self', audit: 'thing.read', limit: 'read', answers: null, summary: 'My own' })
  mine(@Ctx() ctx: Context) {
    return {
      ip: ctx.ip,
      route: ctx.route,
      deadlineMs: ctx.deadline,
      tenantId: ctx.tenant?.id,
      requestId: ctx.requestId,
    };
  }

  @Get('large')
  @Access({ ...read, answers: null, summary: 'A large answer' })
  large() {
    return { text: 'clinic '.repeat(400) };
  }

  @Get('small')
  @Access({ ...read, answers: null, summary: 'A small answer' })
  small() {
    return { text: 'clinic' };
  }

  @Get('kept')
  @Access({
    ...read,
    audit: 'none',
    caching: 'revalidate',
    answers: pageOf(z.strictObject({ n: z.int() })),
    summary: 'Kept',
  })
  kept(@Query({ schema: listQuery({}) }) _query: object, @PageQuery() page: Paging<{ n: number }>) {
    return presentPage(page, { items: [1, 2], next: { n: 2 }, previous: null }, (n) => ({ n }));
  }

  @Get('catalogue')
  @Access({ ...read, audit: 'none', caching: 'revalidate', answers: null, summary: 'What changes seldom' })
  catalogue() {
    return { text: ThingsController.catalogued };
  }
  static catalogued = 'clinic '.repeat(400);

  @Get('figures')
  @Access({ ...read, audit: 'none', caching: { maxAgeS: 300 }, answers: null, summary: 'What may be five minutes old' })
  figures() {
    return { total: 7 };
  }

  @Get('secret')
  @Access({ ...read, answers: null, compression: 'none', summary: 'A large answer with a secret' })
  secret() {
    return { token: 'clinic '.repeat(400) };
  }

  @Get('named/:name')
  @Access({ ...read, answers: null, summary: 'By name' })
  named(@Param('name', { schema: line(500) }) name: string) {
    return { length: name.length };
  }

  @Get(':id')
  @Access({ ...read, answers: thing, summary: 'One thing' })
  get(@Param('id', { schema: idOf<ThingId>('thing') }) id: ThingId) {
    return { id, name: 'a thing', version: thingVersion };
  }

  @Patch(':id')
  @Access({ ...manage, answers: thing, summary: 'Rename a thing' })
  rename(
    @Param('id', { schema: idOf<ThingId>('thing') }) id: ThingId,
    @IfMatch() version: number,
    @Body({ schema: rename }) { name }: z.infer<typeof rename>,
  ) {
    if (version !== thingVersion) throw fail('thing.changed', { extra: { currentVersion: thingVersion } });
    return { id, name, version: version + 1 };
  }

  @Post()
  @Access({ ...manage, answers: thing, status: 201, idempotency: 'required', summary: 'Make a thing' })
  make(@Ctx() ctx: Context, @Body({ schema: newThing }) { name }: z.infer<typeof newThing>) {
    const { idempotency } = ctx;
    // What sharding.writeOnce does with the key, by the name of the thing.
    if (idempotency && name !== 'forgetful') idempotency.outcome = name === 'replayed' ? 'replayed' : 'stored';
    return { id: newId<ThingId>(), name, version: 1, fingerprint: idempotency?.fingerprint.toString('hex') };
  }

  @Post('checks')
  @Access({ ...manage, answers: null, summary: 'Check a thing without making it' })
  check(@Body({ schema: newThing }) checked: z.infer<typeof newThing>) {
    return { startsAt: checked.startsAt ?? null };
  }

  @Post('slow')
  @Access({ ...manage, answers: null, bodyDeadlineMs: 400, summary: 'Takes only what comes soon' })
  slow(@Body({ schema: rename }) { name }: z.infer<typeof rename>) {
    return { name };
  }

  @Post('tiny')
  @Access({ ...manage, answers: null, bodyLimitBytes: 64, summary: 'Takes only what is short' })
  tiny(@Body({ schema: rename }) { name }: z.infer<typeof rename>) {
    return { name };
  }

  @Post('taken')
  @Access({ ...manage, answers: null, refusals: ['thing.taken'], summary: 'Is refused' })
  taken() {
    throw fail('thing.taken', { extra: { alternatives: ['2026-12-01T10:00:00Z'], status: 200 } });
  }

  @Post('broken')
  @Access({ ...manage, answers: null, summary: 'Fails as declared' })
  broken() {
    throw fail('thing.broken', { internal: 'row 7 has no owner' });
  }

  @Post('bug')
  @Access({ ...manage, answers: null, summary: 'Fails as nobody declared' })
  bug() {
    throw new TypeError('Jane Canary is undefined');
  }
}
