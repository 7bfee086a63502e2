import { createRequire } from 'node:module';

/**
 * The packed IANA data of moment-timezone (MIT), the newest on npm; only this file of it is used. `createRequire` because
 * compilers strip the import attribute that an ESM import of JSON needs.
 * Format of a zone: name|abbreviations|offsets, minutes west|one offset index per period|minutes between transitions|population,
 * numbers in base 60 with the seconds after a dot.
 */
interface Packed {
  readonly version: string;
  readonly zones: readonly string[];
  /** target|alias; a target is never an alias itself. */
  readonly links: readonly string[];
}

/** A zone as periods of constant offset; period i ends where period i + 1 begins. Whole minutes throughout. */
export interface Periods {
  /** UTC minute at which period i ends; the last period has no end, so one shorter than `offsets`. */
  readonly ends: Int32Array;
  /** The same ends on the wall clock of the period that ends. */
  readonly wallEnds: Int32Array;
  /** Minutes east of UTC. */
  readonly offsets: Int16Array;
}

const packed = createRequire(import.meta.url)('moment-timezone/data/packed/latest.json') as Packed;

/** The IANA release behind every conversion, for example `2026f`. */
export const TZDB_VERSION: string = packed.version;

const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX';
const number = /^(-?)([0-9a-zA-X]*)(?:\.([0-9a-zA-X]))?$/;

const digit = (character: string): number => {
  const value = digits.indexOf(character);
  if (value < 0) throw new Error(`zone data: not a base 60 digit: ${character}`);
  return value;
};

function decodeSeconds(text: string): number {
  const parts = number.exec(text);
  if (parts === null) throw new Error(`zone data: not a number: ${text}`);
  const minutes = [...(parts[2] ?? '')].reduce((sum, character) => sum * 60 + digit(character), 0);
  const seconds = minutes * 60 + (parts[3] === undefined ? 0 : digit(parts[3]));
  return parts[1] === '-' ? -seconds : seconds;
}

function must<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`zone data: no ${what}`);
  return value;
}

const decodeAll = (list: string | undefined): readonly number[] => (list ? list.split(' ').map(decodeSeconds) : []);
/** To the nearest minute: only before 1972 do offsets and transitions have seconds. */
const toMinutes = (seconds: number): number => Math.round(seconds / 60);

function unpack(text: string): Periods {
  const [name, , offsetList, indices = '', gapList] = text.split('|');
  const west = decodeAll(offsetList).map(toMinutes);
  const offsets = Int16Array.from(indices, (character) => -must(west[digit(character)], `offset of ${name}`));
  let second = 0;
  const ends = Int32Array.from(decodeAll(gapList), (gap) => {
    second += gap;
    return toMinutes(second);
  });
  if (ends.length !== offsets.length - 1) throw new Error(`zone data: periods and transitions of ${name} disagree`);
  return { ends, offsets, wallEnds: ends.map((end, i) => end + must(offsets[i], `period of ${name}`)) };
}

const before = (text: string): string => text.slice(0, text.indexOf('|'));
const packedByName = new Map(packed.zones.map((text) => [before(text), text]));
const targets = new Map([
  ...[...packedByName.keys()].map((name) => [name, name] as const),
  ...packed.links.map((link) => [link.slice(link.indexOf('|') + 1), before(link)] as const),
]);
const unpacked = new Map<string, Periods>();

/** Every name that is a zone or an alias of one, sorted. */
export const zoneNames: readonly string[] = [...targets.keys()].sort();

/** Unpacked on first use, then kept: at most one entry per name in the table. */
export function periodsOf(zone: string): Periods | undefined {
  const known = unpacked.get(zone);
  if (known !== undefined) return known;
  const target = targets.get(zone);
  if (target === undefined) return undefined;
  const shared = unpacked.get(target) ?? unpack(must(packedByName.get(target), target));
  unpacked.set(target, shared).set(zone, shared);
  return shared;
}
