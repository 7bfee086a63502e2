import fc from 'fast-check';
import type { LocalDate } from '#infra/time';
import type { RecordDraft } from './mapping.js';
import { normalText, Occurrences, prefixOf, rowIdentityText } from './normal-form.js';

const anyText = fc.string({ unit: 'binary', maxLength: 20 });
const draft: RecordDraft = {
  line: 2,
  externalId: null,
  date: '2026-03-01' as LocalDate,
  amountMinor: 19_900,
  reference: null,
  memo: 'MEMBERSHIP',
};

describe('the normal form of a text', () => {
  it('is the same for spellings that mean the same', () => {
    expect(normalText('  Zoë\t Müller\n')).toBe('ZOE MULLER');
    expect(normalText('Zoe\u0308  MU\u0308LLER')).toBe('ZOE MULLER');
    expect(normalText('ﬁne ＡＢＣ １２３ straße')).toBe('FINE ABC 123 STRASSE');
    expect(normalText('INV\u200b-1\u00ad7\u00a0x')).toBe('INV-17 X');
    expect([normalText(null), normalText(''), normalText(' \u0301 ')]).toEqual(['', '', '']);
  });

  it('is its own normal form, for every sign that Unicode assigns and for any text', () => {
    const changed: string[] = [];
    const many = 256;
    /** Planes 4 to 13 are empty, what follows them is private or without a form of its own. */
    const unassignedFrom = 0x40000;
    for (let first = 0; first < unassignedFrom; first += many) {
      const signs = Array.from({ length: many }, (_, n) => `A${String.fromCodePoint(first + n)}b`);
      const once = normalText(signs.join(' '));
      if (normalText(once) !== once) changed.push(first.toString(16));
    }
    expect(changed).toEqual([]);
    fc.assert(fc.property(anyText, (text) => expect(normalText(normalText(text))).toBe(normalText(text))));
  });
});

describe('the start of a text', () => {
  it('has so many letters, none of them cut in half', () => {
    expect(prefixOf('MATTHIAS', 6)).toBe('MATTHI');
    expect(prefixOf('M C', 6)).toBe('M C');
    expect(prefixOf('A😀B😀C', 2)).toBe('A😀');
    fc.assert(
      fc.property(anyText, fc.nat(25), (text, letters) => {
        expect(prefixOf(text, letters)).toBe([...text].slice(0, letters).join(''));
      }),
    );
  });
});

describe('what a row says', () => {
  it('is equal where everything but the line and the composition of letters is, and only there', () => {
    expect(rowIdentityText({ ...draft, line: 900 })).toBe(rowIdentityText(draft));
    expect(rowIdentityText({ ...draft, memo: 'Zoe\u0308' })).toBe(rowIdentityText({ ...draft, memo: 'Zoë' }));
    const others: readonly Partial<RecordDraft>[] = [
      { externalId: 'x' },
      { date: '2026-03-02' as LocalDate },
      { amountMinor: -19_900 },
      { reference: 'MEMBERSHIP', memo: null },
      { memo: 'Membership' },
      { memo: null },
      { memo: 'null' },
    ];
    const texts = [draft, ...others.map((other) => ({ ...draft, ...other }))].map(rowIdentityText);
    expect(new Set(texts).size).toBe(others.length + 1);
  });

  it('keeps fields apart whatever stands in them', () => {
    const cell = fc.option(fc.string({ unit: fc.constantFrom('"', ',', '\\', 'a', '[', ']'), maxLength: 6 }));
    const texts = fc.record({ externalId: cell, reference: cell, memo: cell });
    fc.assert(
      fc.property(texts, texts, (one, other) => {
        const same =
          one.externalId === other.externalId && one.reference === other.reference && one.memo === other.memo;
        expect(rowIdentityText({ ...draft, ...one }) === rowIdentityText({ ...draft, ...other })).toBe(same);
      }),
    );
  });

  it('is counted: the third of three equal rows is the third, whatever stands between them', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c', '__proto__'), { maxLength: 30 }), (keys) => {
        const occurrences = new Occurrences();
        const expected = keys.map((key, index) => keys.slice(0, index + 1).filter((each) => each === key).length);
        expect(keys.map((key) => occurrences.next(key))).toEqual(expected);
      }),
    );
    const few = new Occurrences(2);
    expect([few.next('a'), few.next('b'), few.next('a')]).toEqual([1, 1, 2]);
    expect(() => few.next('c')).toThrow(RangeError);
    expect(few.next('b')).toBe(2);
  });
});
