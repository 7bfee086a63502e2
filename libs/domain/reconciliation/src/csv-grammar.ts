export const delimiters = [',', ';', '\t', '|'] as const;
export type Delimiter = (typeof delimiters)[number];

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const isLineEnd = (byte: number | undefined): boolean => byte === LF || byte === CR;
export const isLf = (byte: number | undefined): boolean => byte === LF;
export const isCr = (byte: number | undefined): boolean => byte === CR;

/** What a byte is to the scanner. A row remembers the last three. */
const kind = { plain: 0, delimiter: 1, lf: 2, cr: 3, quote: 4, high: 5, nul: 6 } as const;
export const seen = { quote: 1 << kind.quote, high: 1 << kind.high, nul: 1 << kind.nul } as const;
export const firstSeenKind = kind.quote;

export const state = { fieldStart: 0, unquoted: 1, quoted: 2, closing: 3, stray: 4, skipping: 5 } as const;
/** What a byte may be instead of a step to the next state. */
export const event = { rowEnd: 6, lineInQuotes: 7, strayQuote: 8 } as const;

/** A row of the table is `1 << stateShift` wide. */
export const stateShift = 3;
/** By state, then by kind of byte (bytes above 0x7F and NUL go the way of plain ones): the next state, or an event. */
export const transitions = Uint8Array.from(
  [
    [state.unquoted, state.fieldStart, event.rowEnd, event.rowEnd, state.quoted],
    [state.unquoted, state.fieldStart, event.rowEnd, event.rowEnd, event.strayQuote],
    [state.quoted, state.quoted, event.lineInQuotes, event.lineInQuotes, state.closing],
    [event.strayQuote, state.fieldStart, event.rowEnd, event.rowEnd, state.quoted],
    [state.stray, state.stray, event.rowEnd, event.rowEnd, state.stray],
    [state.skipping, state.skipping, event.rowEnd, event.rowEnd, state.skipping],
  ].flatMap(([plain = 0, ...others]) => [plain, ...others, plain, plain, plain]),
);

/** The kind of each of the 256 bytes. */
export function kindsOf(delimiter: Delimiter): Uint8Array {
  const kinds = new Uint8Array(256).fill(kind.high, 0x80);
  kinds[0] = kind.nul;
  kinds[LF] = kind.lf;
  kinds[CR] = kind.cr;
  kinds[QUOTE] = kind.quote;
  kinds[delimiter.charCodeAt(0)] = kind.delimiter;
  return kinds;
}

/** The delimiter that the first line with anything in it has most of outside of quotes; the earlier of the list at a tie. */
export function sniffedDelimiter(sample: Uint8Array): Delimiter {
  const counts = new Map<number, number>();
  const first = sample.findIndex((byte) => !isLineEnd(byte));
  let quoted = false;
  for (const byte of first < 0 ? [] : sample.subarray(first)) {
    if (byte === QUOTE) quoted = !quoted;
    else if (!quoted && isLineEnd(byte)) break;
    else if (!quoted) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  }
  const countOf = (delimiter: Delimiter) => counts.get(delimiter.charCodeAt(0)) ?? 0;
  return delimiters.reduce((best, each) => (countOf(each) > countOf(best) ? each : best));
}

/** Fields of a row whose quotes are known to be in order; at most `max` of them. */
export function quotedFields(raw: string, delimiter: Delimiter, max: number): string[] {
  const fields: string[] = [];
  let at = 0;
  while (fields.length < max) {
    if (raw[at] !== '"') {
      const end = raw.indexOf(delimiter, at);
      fields.push(raw.slice(at, end < 0 ? raw.length : end));
      if (end < 0) break;
      at = end + 1;
    } else {
      const end = closingQuote(raw, at + 1);
      const text = raw.slice(at + 1, end);
      fields.push(text.includes('"') ? text.replaceAll('""', '"') : text);
      if (end + 1 >= raw.length) break;
      at = end + 2;
    }
  }
  return fields;
}

function closingQuote(raw: string, from: number): number {
  let at = raw.indexOf('"', from);
  while (at >= 0 && raw[at + 1] === '"') at = raw.indexOf('"', at + 2);
  return at < 0 ? raw.length : at;
}
