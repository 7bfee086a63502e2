/** Money is an integer count of minor units (cents) beside its ISO 4217 currency; no fraction ever stands in a number. */
export type DecimalSign = '.' | ',';

export interface MoneyFormat {
  /** ISO 4217, three capital letters. */
  readonly currency: string;
  /** What parts major from minor units in the text; the other of the two may group thousands. */
  readonly decimal: DecimalSign;
}

/** The greatest amount and sum, in minor units: 90 trillion dollars. */
export const moneyMaxMinor = Number.MAX_SAFE_INTEGER;

/** Characters of a text that is read as money. */
export const moneyTextMaxChars = 64;

/** An amount or a sum left ±2^53−1. */
export class MoneyOverflow extends RangeError {}

/** ISO 4217 exponents that are not 2. */
const exponents: Readonly<Record<number, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
};
const minorDigits = new Map(
  Object.entries(exponents).flatMap(([digits, codes]) =>
    codes.split(' ').map((code) => [code, Number(digits)] as const),
  ),
);

/** Decimal places of a currency; 2 for those that the table does not name. */
export const minorDigitsOf = (currency: string): number => minorDigits.get(currency) ?? 2;

/** Signs that stand for a currency beside its code. A sign that several share says nothing about which of them it is. */
const symbols: Readonly<Record<string, string>> = {
  USD: '$ US$',
  CAD: '$ C$ CA$',
  AUD: '$ A$ AU$',
  NZD: '$ NZ$',
  SGD: '$ S$',
  HKD: '$ HK$',
  MXN: '$ MX$',
  BRL: 'R$',
  EUR: '€',
  GBP: '£',
  JPY: '¥ ￥',
  CNY: '¥ ￥',
  INR: '₹',
  KRW: '₩',
  ILS: '₪',
  VND: '₫',
  UAH: '₴',
  NGN: '₦',
  PHP: '₱',
  TRY: '₺',
  PLN: 'zł',
  SEK: 'kr',
  NOK: 'kr',
  DKK: 'kr',
};

/** Where marks may stand around the number: `#` the number, `¤` the currency. */
const shapes = {
  plain: ['#', '¤#', '#¤'],
  signed: ['-#', '#-', '-¤#', '¤-#', '¤#-', '-#¤', '#-¤', '#¤-'],
  bracketed: ['(#)', '(¤#)', '(#¤)', '¤(#)', '(#)¤'],
} as const;

function signsOf(currency: string): ReadonlyMap<string, 1 | -1> {
  const marks = [currency, ...(symbols[currency]?.split(' ') ?? [])];
  const written = (list: readonly string[]) =>
    list.flatMap((shape) => marks.map((mark) => shape.replace('¤', () => mark)));
  return new Map<string, 1 | -1>([
    ...written(shapes.plain).map((shape) => [shape, 1] as const),
    ...written(shapes.signed).map((shape) => [shape.replace('-', '+'), 1] as const),
    ...written([...shapes.signed, ...shapes.bracketed]).map((shape) => [shape, -1] as const),
  ]);
}

/** Before the number, whole units with one kind of grouping or none, fraction, behind the number. */
function patternOf(decimal: DecimalSign): RegExp {
  const [point, group] = decimal === '.' ? ['\\.', ','] : [',', '.'];
  const whole = `\\d{1,3}(?:(?<mark>[${group}'’ \\u00a0\\u2009\\u202f])\\d{3}(?:\\k<mark>\\d{3})*)?|\\d+`;
  return new RegExp(`^(\\D*?)(?=[\\d.,])(${whole}|)(?:${point}(\\d*))?(\\D*)$`);
}
const patterns: Readonly<Record<DecimalSign, RegExp>> = { '.': patternOf('.'), ',': patternOf(',') };

/**
 * Reads texts such as `1234.5`, `-$1,234.50`, `(1.234,50 €)`, `USD 12.00-` into minor units. Null for everything else:
 * another currency's mark, two signs, groups that are not of three digits, more decimals than the currency has, nothing
 * at all, or more than ±2^53−1.
 */
export function moneyParser({ currency, decimal }: MoneyFormat): (text: string) => number | null {
  const signs = signsOf(currency);
  const digits = minorDigitsOf(currency);
  const pattern = patterns[decimal];
  return (text) => {
    if (text.length > moneyTextMaxChars) return null;
    const [found, before = '', whole = '', , fraction = '', behind = ''] = pattern.exec(text) ?? [];
    if (found === undefined || whole + fraction === '' || fraction.length > digits) return null;
    const sign = signs.get(`${before}#${behind}`.replaceAll('−', '-').replaceAll(/\s/g, ''));
    const minor = Number(whole.replaceAll(/\D/g, '') + fraction.padEnd(digits, '0'));
    if (sign === undefined || !Number.isSafeInteger(minor)) return null;
    return minor === 0 ? 0 : sign * minor;
  };
}

/** One text; whoever reads many makes the parser once. */
export const parseMoney = (text: string, format: MoneyFormat): number | null => moneyParser(format)(text);

/** `-1234.50`: as many decimals as the currency has, no groups, no mark; `parseMoney` gives the same amount back. */
export function formatMoney(minor: number, currency: string): string {
  const digits = minorDigitsOf(currency);
  const text = String(Math.abs(guarded(minor))).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  return `${minor < 0 ? '-' : ''}${whole}${digits === 0 ? '' : `.${text.slice(-digits)}`}`;
}

function guarded(minor: number): number {
  if (!Number.isSafeInteger(minor)) throw new MoneyOverflow(`not an amount in minor units: ${minor}`);
  return minor;
}

export const addMinor = (a: number, b: number): number => guarded(guarded(a) + guarded(b));

/** Exact in any order: what comes in and what goes out are added up apart, and neither may pass 2^53−1. */
export function sumMinor(amounts: Iterable<number>): number {
  let incoming = 0;
  let outgoing = 0;
  for (const amount of amounts) {
    if (amount < 0) outgoing = addMinor(outgoing, amount);
    else incoming = addMinor(incoming, amount);
  }
  return addMinor(incoming, outgoing);
}

/**
 * Parts of a total in the proportion of whole weights ≥ 0, by largest remainder: the parts add up to the total exactly,
 * none is a whole minor unit off its exact share, and of equal remainders the earlier wins.
 */
export function allocate(totalMinor: number, weights: readonly number[]): readonly number[] {
  if (!weights.every((weight) => Number.isSafeInteger(weight) && weight >= 0))
    throw new RangeError('weights are whole and ≥ 0');
  const weightsSum = weights.reduce((sum, weight) => sum + BigInt(weight), 0n);
  if (weightsSum === 0n) throw new RangeError('nothing to allocate by: every weight is 0');
  const total = BigInt(Math.abs(guarded(totalMinor)));
  const shares = weights.map((weight) => total * BigInt(weight));
  const parts = shares.map((share) => share / weightsSum);
  const missing = Number(total - parts.reduce((sum, part) => sum + part, 0n));
  const remainders = shares.map((share, index) => ({ index, remainder: share % weightsSum }));
  remainders.sort((a, b) => (a.remainder === b.remainder ? a.index - b.index : a.remainder > b.remainder ? -1 : 1));
  const raised = new Set(remainders.slice(0, missing).map(({ index }) => index));
  const sign = totalMinor < 0 ? -1 : 1;
  return parts.map((part, index) => (Number(part) + (raised.has(index) ? 1 : 0)) * sign || 0);
}
