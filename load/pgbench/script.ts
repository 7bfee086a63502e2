import { placesOf, type SlotPlan, strideOf } from '../slots.js';
import type { Recorded } from './statement-tap.js';
import type { Parameter } from './wire.js';

export interface TypedStatement extends Recorded {
  /** PostgreSQL's name for the type of each parameter. */
  readonly types: readonly string[];
}

/** Ids among which the place of a booking decides: element 1 + `index` of `ids`, `index` being a pgbench variable. */
export interface Choice {
  readonly index: 'clinic' | 'triple_of_all';
  readonly ids: readonly string[];
}

/** What is known about the booking that was recorded. */
export interface RecordedBooking {
  readonly startMin: number;
  /** When it was made, as the app's clock had it; milliseconds since 1970. */
  readonly atMs: number;
  /** Ids that are the same in every booking: tenant, user, session. Ids that stand nowhere here were made for it. */
  readonly sameIds: ReadonlySet<string>;
  /** By recorded id. */
  readonly choices: ReadonlyMap<string, Choice>;
}

export interface PgbenchScript {
  readonly text: string;
  /** For `-D`. Beside them a run gives `base`, `id_prefix` and `at_s`. */
  readonly variables: Readonly<Record<string, string>>;
}

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const variable = new RegExp(`${uuid}|\\b\\d{8}\\b`, 'g');
const integers = new Set(['smallint', 'integer', 'bigint']);
/** Recorded minutes this near to the start are counted from the start. */
const nearMin = 2 * 1_440;
const nearMs = 48 * 3_600_000;
/** Fresh ids of one booking; their last group is 12 decimal digits. */
const freshIdsMax = 64;
const firstFreshId = 100_000_000_000;

/**
 * One booking as a pgbench transaction: the recorded statements in their order and flights, each parameter in its place.
 * What every booking shares is passed as a parameter; times are counted from the place's start; ids that were made for
 * the booking are made anew, in rising order. pgbench has no text functions, so PostgreSQL puts ids and lists together,
 * which costs it some 0.1 µs each.
 */
export function scriptOf(
  statements: readonly TypedStatement[],
  booking: RecordedBooking,
  plan: SlotPlan,
): PgbenchScript {
  const writer = new Writer(booking);
  const body = flightsOf(statements).flatMap((flight) => {
    const lines = flight.map((statement) => `${writer.statement(statement)};`);
    return lines.length === 1 ? lines : ['\\startpipeline', ...lines, '\\endpipeline'];
  });
  return {
    text: `${[...placeLines(plan), ...writer.settings, ...body].join('\n')}\n`,
    variables: { n: '0', ...writer.constants },
  };
}

function flightsOf(statements: readonly TypedStatement[]): readonly (readonly TypedStatement[])[] {
  const flights: TypedStatement[][] = [];
  for (const statement of statements) {
    const last = flights.at(-1);
    if (last?.[0]?.flight === statement.flight) last.push(statement);
    else flights.push([statement]);
  }
  return flights;
}

/** `placeAt` of slots.ts for side 1; clients count in turns, so that ids rise over all of them. */
const placeLines = (plan: SlotPlan): readonly string[] => [
  '\\set n :n + 1',
  '\\set i :base + :n * :clients + :client_id',
  `\\set place (:i * ${strideOf(plan)}) % ${placesOf(plan)}`,
  `\\set triple :place % ${plan.triples}`,
  `\\set clinic (:place / ${plan.triples}) % ${plan.clinics}`,
  `\\set triple_of_all :clinic * ${plan.triples} + :triple`,
  `\\set start ${plan.firstMin} + ${plan.stepMin} * (2 * (:place / ${plan.clinics * plan.triples}) + 1)`,
  `\\set id ${firstFreshId} + :i * ${freshIdsMax}`,
  '\\set at :at_s + :n * 0.001',
];

class Writer {
  readonly #settings = new Map<string, string>();
  readonly #constants = new Map<string, string>();
  readonly #fresh = new Map<string, number>();

  constructor(private readonly booking: RecordedBooking) {}

  get settings(): readonly string[] {
    return [...this.#settings].map(([name, value]) => `\\set ${name} ${value}`);
  }

  get constants(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#constants].map(([value, name]) => [name, value]));
  }

  statement({ sql, parameters, types }: TypedStatement): string {
    if (/(?<!:):[A-Za-z_]/.test(sql)) throw new Error(`pgbench would read a variable in: ${sql}`);
    return sql.trim().replace(/\$(\d+)/g, (_, position: string) => {
      const n = Number(position) - 1;
      const type = types[n];
      if (type === undefined) throw new Error(`no type for $${position} of: ${sql}`);
      return this.#value(parameters[n] ?? null, type);
    });
  }

  #value(value: Parameter, type: string): string {
    if (value === null) return `null::${type}`;
    if (typeof value !== 'string') return `${this.#constant(`\\x${value.toString('hex')}`)}::${type}`;
    return this.#time(value, type) ?? this.#text(value, type);
  }

  /** Undefined where the value is no time near that of the booking. */
  #time(value: string, type: string): string | undefined {
    const { startMin, atMs } = this.booking;
    if (integers.has(type)) return isNear(Number(value), startMin) ? `${this.#minute(value)}::${type}` : undefined;
    if (type === 'date') {
      const days = Date.parse(value) / 86_400_000 - Math.floor(startMin / 1_440);
      return `(date 'epoch' + ${this.#set(`day_${signed(days)}`, `:start / 1440 + ${days}`)}::int)`;
    }
    if (type === 'timestamp without time zone') {
      const minute = Date.parse(`${value}Z`) / 60_000;
      return isNear(minute, startMin)
        ? `(timestamp 'epoch' + ${this.#minute(String(minute))}::int * interval '1 minute')`
        : undefined;
    }
    if (type !== 'timestamp with time zone') return undefined;
    const laterMs = Date.parse(value) - atMs;
    return Math.abs(laterMs) < nearMs ? `to_timestamp(:at::float8 + ${Math.round(laterMs / 1000)})` : undefined;
  }

  #text(value: string, type: string): string {
    const parts: string[] = [];
    let from = 0;
    for (const found of value.matchAll(variable)) {
      const made = this.#part(found[0], type);
      if (made === undefined) continue;
      parts.push(...literal(value.slice(from, found.index)), made);
      from = found.index + found[0].length;
    }
    if (parts.length === 0) return `${this.#constant(value)}::${type}`;
    parts.push(...literal(value.slice(from)));
    return `(${parts.join(' || ')})::${type}`;
  }

  /** An expression of type text or uuid; undefined where every booking has the same. */
  #part(found: string, type: string): string | undefined {
    if (/^\d+$/.test(found))
      return isNear(Number(found), this.booking.startMin) ? `${this.#minute(found)}::text` : undefined;
    const choice = this.booking.choices.get(found);
    if (choice) {
      const element = this.#set(`nth_${choice.index}`, `:${choice.index} + 1`);
      return `('{${choice.ids.join(',')}}'::${type === 'uuid' ? 'uuid' : 'text'}[])[${element}::int]`;
    }
    if (this.booking.sameIds.has(found)) return undefined;
    const n = this.#fresh.get(found) ?? this.#fresh.size;
    if (n >= freshIdsMax) throw new Error(`more than ${freshIdsMax} fresh ids in one booking`);
    this.#fresh.set(found, n);
    return `:id_prefix::text || ${this.#set(`id_${n}`, `:id + ${n}`)}::text`;
  }

  #minute(value: string): string {
    const later = Number(value) - this.booking.startMin;
    return this.#set(`start_${signed(later)}`, `:start + ${later}`);
  }

  #set(name: string, value: string): string {
    this.#settings.set(name, value);
    return `:${name}`;
  }

  #constant(value: string): string {
    const name = this.#constants.get(value) ?? `c${this.#constants.size + 1}`;
    this.#constants.set(value, name);
    return `:${name}`;
  }
}

const isNear = (minute: number, startMin: number): boolean => Math.abs(minute - startMin) <= nearMin;
const signed = (n: number): string => (n < 0 ? `before_${-n}` : `after_${n}`);

/** Quoted so that no colon meets a letter, where pgbench would read a variable. */
function literal(text: string): readonly string[] {
  return text === '' ? [] : [`'${text.replaceAll("'", "''").replace(/:(?=[A-Za-z_])/g, `:' || '`)}'`];
}

/** A prefix for `firstFreshId…`: together a UUIDv7 of that instant, so that rows land where the app's would. */
export function idPrefixAt(ms: number): string {
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7fff-8fff-`;
}
