import { z } from 'zod';
import {
  type BlockId,
  blockReasons,
  type DatedSchedule,
  type DayWindow,
  type NewBlock,
  type Override,
  type PlacedBlock,
  type Schedule,
  type WeeklyRule,
} from '#domain/appointments';
import { formatInstant, type LocalDate, minuteOfInstant } from '#infra/time';
import { allOf, idOf, instant, instantText, listQuery, localDate, pageOf, versionNumber } from '../edge/index.js';
import { resourceId } from './catalogue.dto.js';

const schedulesMax = 100;
const rulesMax = 56;
const windowsMax = 8;
const minuteMs = 60_000;

export const blockId = idOf<BlockId>('block');
export const date = localDate as unknown as z.ZodType<LocalDate, string>;

const minutesOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
const two = (n: number): string => String(n).padStart(2, '0');
const clockOf = (minutes: number): string => `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;

const opens = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, { message: 'must be a time such as 09:00' });
const closes = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, { message: 'must be a time up to 24:00' });
const opensFirst = (window: { readonly opens: string; readonly closes: string }) => window.opens < window.closes;
const inOrder = { message: 'must open before it closes', path: ['closes'] };

const dayWindow = z.strictObject({ opens, closes }).refine(opensFirst, inOrder);
const weeklyRule = z
  .strictObject({ weekday: z.int().min(1).max(7).meta({ description: 'ISO: Monday is 1' }), opens, closes })
  .refine(opensFirst, inOrder);
const datedSchedule = z
  .strictObject({
    validFrom: date,
    validTo: date.nullable().default(null).meta({ description: 'the first date on which it is no longer valid' }),
    rules: z.array(weeklyRule).max(rulesMax),
  })
  .refine(({ validFrom, validTo }) => validTo === null || validFrom < validTo, {
    message: 'must lie after validFrom',
    path: ['validTo'],
  });

export const scheduleInput = z.strictObject({ schedules: z.array(datedSchedule).max(schedulesMax) });
export const schedule = z.strictObject({ schedules: z.array(datedSchedule), version: versionNumber });

export const overrideInput = z.strictObject({ open: z.array(dayWindow).max(windowsMax) });
export const override = z.strictObject({ date: localDate, open: z.array(dayWindow) });
export const overrides = allOf(override);
export const overrideRange = z.strictObject({ from: date, to: date });

const wholeMinute = instant.refine((ms) => ms % minuteMs === 0, { message: 'must be a whole minute' });

export const newBlock = z
  .strictObject({ start: wholeMinute, end: wholeMinute, reason: z.enum(blockReasons).default('other') })
  .refine(({ start, end }) => start < end, { message: 'must lie after start', path: ['end'] });
export const block = z.strictObject({
  id: blockId,
  resourceId,
  reason: z.enum(blockReasons),
  start: instantText,
  end: instantText,
  tz: z.string(),
});
export const blocks = pageOf(block);
export const blockList = listQuery({ from: instant.optional() }, 'large');

type WindowText = z.output<typeof dayWindow>;

const windowOf = (window: WindowText): DayWindow => ({
  opens: minutesOf(window.opens),
  closes: minutesOf(window.closes),
});
const windowText = (window: DayWindow): WindowText => ({
  opens: clockOf(window.opens),
  closes: clockOf(window.closes),
});

export const schedulesOf = ({ schedules }: z.output<typeof scheduleInput>): readonly DatedSchedule[] =>
  schedules.map(({ rules, ...dates }) => ({
    ...dates,
    rules: rules.map((rule) => ({ weekday: rule.weekday as WeeklyRule['weekday'], ...windowOf(rule) })),
  }));

export const presentSchedule = ({ schedules, version }: Schedule): z.input<typeof schedule> => ({
  schedules: schedules.map(({ validFrom, validTo, rules }) => ({
    validFrom,
    validTo,
    rules: rules.map((rule) => ({ weekday: rule.weekday, ...windowText(rule) })),
  })),
  version,
});

export const overrideOf = (on: LocalDate, { open }: z.output<typeof overrideInput>): Override => ({
  date: on,
  open: open.map(windowOf),
});

export const presentOverride = ({ date: on, open }: Override): z.input<typeof override> => ({
  date: on,
  open: open.map(windowText),
});

export const blockOf = ({ start, end, reason }: z.output<typeof newBlock>): NewBlock => ({
  startMin: minuteOfInstant(start),
  endMin: minuteOfInstant(end),
  reason,
});

export const presentBlock = (found: PlacedBlock): z.input<typeof block> => ({
  id: found.id,
  resourceId: found.resourceId,
  reason: found.reason,
  start: formatInstant(found.startMin, found.tz),
  end: formatInstant(found.endMin, found.tz),
  tz: found.tz,
});
