import fc from 'fast-check';
import {
  addMinor,
  allocate,
  type DecimalSign,
  formatMoney,
  MoneyOverflow,
  minorDigitsOf,
  moneyMaxMinor,
  moneyParser,
  parseMoney,
  sumMinor,
} from './index.js';

const usd = moneyParser({ currency: 'USD', decimal: '.' });
const euros = moneyParser({ currency: 'EUR', decimal: ',' });

const amounts = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -200_000, max: 200_000 }),
  fc.constantFrom(0, moneyMaxMinor, -moneyMaxMinor),
);
const currencies = fc.constantFrom('USD', 'EUR', 'JPY', 'KWD', 'CLF', 'XXX');

/** Groups of three from the right. */
const grouped = (whole: string, mark: string): string => whole.replaceAll(/\B(?=(\d{3})+$)/g, mark);

describe('money as text', () => {
  it('is read with signs, brackets, currency marks and groups', () => {
    const read: readonly (readonly [string, number])[] = [
      ['1234.5', 123_450],
      ['$1,234.50', 123_450],
      ['-$1,234.50', -123_450],
      ['$-1,234.50', -123_450],
      ['($1,234.50)', -123_450],
      ['$(1,234.50)', -123_450],
      ['1,234.50-', -123_450],
      ['−12.00', -1_200],
      ['+12', 1_200],
      ['USD 12.00', 1_200],
      ['12.00 USD', 1_200],
      ['US$12.00-', -1_200],
      [' .5 ', 50],
      ['5.', 500],
      ['007.50', 750],
      ["1'234'567.89", 123_456_789],
      ['1\u00a0234.50', 123_450],
    ];
    for (const [text, minor] of read) expect([text, usd(text)]).toEqual([text, minor]);
    expect(euros('1.234,50')).toBe(123_450);
    expect(euros('(1.234,50 €)')).toBe(-123_450);
    expect(parseMoney('12,5 kr', { currency: 'SEK', decimal: ',' })).toBe(1_250);
  });

  it('has as many decimals as ISO 4217 gives the currency, and never more', () => {
    const read = (text: string, currency: string) => parseMoney(text, { currency, decimal: '.' });
    expect([minorDigitsOf('JPY'), minorDigitsOf('KWD'), minorDigitsOf('USD')]).toEqual([0, 3, 2]);
    expect([read('¥1,234', 'JPY'), read('1.234', 'KWD'), read('1.2', 'KWD')]).toEqual([1_234, 1_234, 1_200]);
    expect([read('1234.5', 'JPY'), read('1.2345', 'KWD'), read('1.234', 'USD')]).toEqual([null, null, null]);
  });

  it('is nothing where it could mean two things, another currency, or no amount', () => {
    const senseless = [
      '',
      ' ',
      '.',
      ',',
      '-',
      '$',
      '1,50',
      '1,2345.00',
      '12,34,567.00',
      '1,234 567.00',
      '1.234,50',
      '1e5',
    ];
    const contradictory = [
      '--1',
      '-1-',
      '-(1)',
      '(-1)',
      '(1',
      '1)',
      '$1$',
      '€1.00',
      '1.00 CAD',
      '1.00 DR',
      '0x10',
      'NaN',
    ];
    const foreign = ['١٢', '１２', '1\u00001', `0${'0'.repeat(64)}`];
    for (const text of [...senseless, ...contradictory, ...foreign]) expect([text, usd(text)]).toEqual([text, null]);
    expect(euros('1,234')).toBeNull();
  });

  it('ends at 2^53−1 minor units, and no zero carries a sign', () => {
    expect(usd('90071992547409.91')).toBe(moneyMaxMinor);
    expect(usd('-90071992547409.91')).toBe(-moneyMaxMinor);
    expect([usd('90071992547409.92'), usd('90071992547409.93'), usd('9'.repeat(60))]).toEqual([null, null, null]);
    expect(Object.is(usd('-0.00'), 0)).toBe(true);
    expect(() => formatMoney(moneyMaxMinor + 1, 'USD')).toThrow(MoneyOverflow);
    expect(() => formatMoney(0.5, 'USD')).toThrow(MoneyOverflow);
  });

  it('gives back the amount that was written, in every currency', () => {
    fc.assert(
      fc.property(amounts, currencies, (minor, currency) => {
        expect(parseMoney(formatMoney(minor, currency), { currency, decimal: '.' })).toBe(minor);
      }),
      { numRuns: 1_000 },
    );
  });

  it('gives back the amount however it is dressed', () => {
    const dress = fc.record({
      decimal: fc.constantFrom<DecimalSign>('.', ','),
      minus: fc.constantFrom('-¤#', '¤-#', '-#¤', '#¤-', '(¤#)', '¤(#)', '-#', '(#)', '#-'),
      plus: fc.constantFrom('#', '¤#', '#¤', '+#', ' # '),
      group: fc.constantFrom('', ',', "'", ' ', '\u202f'),
      mark: fc.constantFrom('', ' '),
    });
    fc.assert(
      fc.property(amounts, currencies, dress, (minor, currency, { decimal, minus, plus, group, mark }) => {
        const [whole = '', fraction] = formatMoney(Math.abs(minor), currency).split('.');
        const separator = group === decimal ? '.' : group;
        const number = grouped(whole, separator) + (fraction === undefined ? '' : decimal + fraction);
        const text = (minor < 0 ? minus : plus).replace('¤', mark + currency + mark).replace('#', number);
        expect(parseMoney(text, { currency, decimal })).toBe(minor);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('sums of money', () => {
  it('are exact, in any order, and refuse to pass 2^53−1', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1e12, max: 1e12 })), (list) => {
        const sum = sumMinor(list);
        expect(BigInt(sum)).toBe(list.reduce((total, each) => total + BigInt(each), 0n));
        expect(sumMinor([...list].reverse())).toBe(sum);
      }),
    );
    expect(addMinor(moneyMaxMinor, -1)).toBe(moneyMaxMinor - 1);
    expect(() => addMinor(moneyMaxMinor, 1)).toThrow(MoneyOverflow);
    expect(() => addMinor(0.1, 0.2)).toThrow(MoneyOverflow);
    for (const order of [
      [moneyMaxMinor, -5, 5],
      [-5, 5, moneyMaxMinor],
    ])
      expect(() => sumMinor(order)).toThrow(MoneyOverflow);
  });
});

describe('an amount that is divided', () => {
  it('goes to the largest remainders, and to the earlier of equal ones', () => {
    expect(allocate(100, [1, 1, 1])).toEqual([34, 33, 33]);
    expect(allocate(-100, [1, 1, 1])).toEqual([-34, -33, -33]);
    expect(allocate(10, [1, 0, 5])).toEqual([2, 0, 8]);
    expect(allocate(5, [0, 7])).toEqual([0, 5]);
    expect(() => allocate(5, [0, 0])).toThrow(RangeError);
    expect(() => allocate(5, [])).toThrow(RangeError);
    expect(() => allocate(5, [1, -1])).toThrow(RangeError);
    expect(() => allocate(5.5, [1])).toThrow(MoneyOverflow);
  });

  it('keeps its sum, gives each part less than one unit off its share, and nothing for no weight', () => {
    const weights = fc.array(fc.oneof(fc.maxSafeNat(), fc.nat(9)), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(amounts, weights, (total, list) => {
        fc.pre(list.some((weight) => weight > 0));
        const parts = allocate(total, list);
        const all = list.reduce((sum, weight) => sum + BigInt(weight), 0n);
        expect(parts.reduce((sum, part) => sum + BigInt(part), 0n)).toBe(BigInt(total));
        for (const [index, part] of parts.entries()) {
          const weight = BigInt(list[index] ?? 0);
          const off = BigInt(part) * all - BigInt(total) * weight;
          expect(off < all && off > -all).toBe(true);
          if (weight === 0n) expect(part).toBe(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});
