import fc from 'fast-check';
import { dateOfEpochDay, epochDayOfDate, type LocalDate } from '#infra/time';
import { indexText, masked, readIdNumber } from './id-scheme.js';

const luhnDigit = (digits: string): string => {
  const doubled = [...digits].reverse().map((digit, n) => Number(digit) * (n % 2 === 0 ? 2 : 1));
  const sum = doubled.reduce((total, value) => total + (value > 9 ? value - 9 : value), 0);
  return String((10 - (sum % 10)) % 10);
};
const numbers = fc
  .tuple(
    fc.integer({ min: epochDayOfDate('1900-01-01' as LocalDate), max: epochDayOfDate('2099-12-31' as LocalDate) }),
    fc.integer({ min: 0, max: 9_999 }),
    fc.constantFrom('0', '1', '2'),
    fc.constantFrom('8', '9'),
  )
  .map(([born, sequence, citizenship, a]) => {
    const body =
      dateOfEpochDay(born).replaceAll('-', '').slice(2) + String(sequence).padStart(4, '0') + citizenship + a;
    return body + luhnDigit(body);
  });

describe('a South African id number', () => {
  it('is taken where its date, citizenship and check digit are right', () => {
    fc.assert(fc.property(numbers, (text) => expect(readIdNumber('za-id', text)).toEqual({ scheme: 'za-id', text })));
    expect(readIdNumber('za-id', '8001015009087')).not.toBeNull();
  });

  it('is one number however it is spaced, dashed or typed in full width', () => {
    const separators = fc.array(fc.constantFrom('', ' ', '-', '\u2013', '\u00a0', '.', '/'), { minLength: 13 });
    fc.assert(
      fc.property(numbers, separators, fc.boolean(), (text, between, wide) => {
        const digits = [...text].map((digit) => (wide ? String.fromCharCode(digit.charCodeAt(0) + 0xfee0) : digit));
        const written = digits.map((digit, n) => digit + between[n]).join('');
        expect(readIdNumber('za-id', written)).toEqual({ scheme: 'za-id', text });
      }),
    );
  });

  it('is refused with any one digit changed, of which the check digit tells every one', () => {
    fc.assert(
      fc.property(numbers, fc.nat(12), fc.integer({ min: 1, max: 9 }), (text, place, by) => {
        const digit = (Number(text[place]) + by) % 10;
        expect(readIdNumber('za-id', text.slice(0, place) + digit + text.slice(place + 1))).toBeNull();
      }),
    );
  });

  it('is refused for a day that exists in no century and for a citizenship that does not exist, though the sum is right', () => {
    for (const body of ['800230500908', '801301500908', '800100500908', '810229500908', '800101500938'])
      expect(readIdNumber('za-id', body + luhnDigit(body))).toBeNull();
    // 29 February 2000; 1900 had none.
    expect(readIdNumber('za-id', `000229500908${luhnDigit('000229500908')}`)).not.toBeNull();
  });

  it('is refused for anything else, at once', () => {
    for (const text of ['', '800101500908', '80010150090877', '8001015009O87', 'x'.repeat(65), '٨٠٠١٠١٥٠٠٩٠٨٧'])
      expect(readIdNumber('za-id', text)).toBeNull();
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => {
        const read = readIdNumber('za-id', text);
        expect(read === null || /^[0-9]{13}$/.test(read.text)).toBe(true);
      }),
    );
  });

  it('is shown with its middle hidden', () => {
    expect(masked({ scheme: 'za-id', text: '8001015009087' })).toBe('80010*****087');
  });
});

describe('a number of the generic scheme', () => {
  it('is letters and digits in one spelling', () => {
    expect(readIdNumber('generic', ' ab-12 345 ')).toEqual({ scheme: 'generic', text: 'AB12345' });
    for (const text of ['abc', 'ab_12', 'straße1', 'x'.repeat(33)]) expect(readIdNumber('generic', text)).toBeNull();
  });

  it('shows nothing when it is short, and never meets the index of another scheme', () => {
    expect(masked({ scheme: 'generic', text: 'AB12345' })).toBe('*******');
    const text = '8001015009087';
    expect(indexText({ scheme: 'generic', text })).not.toBe(indexText({ scheme: 'za-id', text }));
  });
});
