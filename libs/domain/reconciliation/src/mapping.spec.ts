import fc from 'fast-check';
import { formatMoney } from '#infra/kernel';
import { dateOfEpochDay, epochDayOfDate, type LocalDate } from '#infra/time';
import { CsvScanner, malformations } from './csv-scanner.js';
import {
  bindMapping,
  type DateFormat,
  dateFormats,
  guessMapping,
  type MappedRow,
  type Mapping,
  mappingLimits,
  mappingSchema,
  rejectionCodes,
} from './mapping.js';

const plain: Mapping = {
  amount: 'Amount',
  date: 'Date',
  dateFormat: 'YYYY-MM-DD',
  decimal: '.',
  currency: 'USD',
  sign: 'as_is',
};
const inTwo: Mapping = { ...plain, amount: undefined, debit: 'Out', credit: 'In' };
const full: Mapping = { ...plain, externalId: 'Id', reference: 'Ref', memo: 'Memo' };
const fullHeader = ['Id', 'Date', 'Amount', 'Ref', 'Memo'];

function mapped(mapping: Mapping, header: readonly string[], fields: readonly string[]): MappedRow {
  const binding = bindMapping(mapping, header);
  if (!('map' in binding)) throw new Error('not bound');
  return binding.map({ line: 7, fields, raw: fields.join(',') });
}
const dateAs = (dateFormat: DateFormat, text: string): LocalDate | null => {
  const row = mapped({ ...plain, dateFormat }, ['Date', 'Amount'], [text, '1']);
  return 'draft' in row ? row.draft.date : null;
};
const amountOf = (row: MappedRow): number | string => ('draft' in row ? row.draft.amountMinor : row.rejected);

describe('a mapping', () => {
  it('names one column of money, or two different ones, and nothing that it does not know', () => {
    const isMapping = (change: object) => mappingSchema.safeParse({ ...plain, ...change }).success;
    expect([isMapping({}), isMapping({ amount: undefined, debit: 'Out', credit: 'In' })]).toEqual([true, true]);
    const wrong = [
      { amount: undefined },
      { amount: undefined, debit: 'Out' },
      { debit: 'Out', credit: 'In' },
      { amount: undefined, debit: 'In', credit: 'In' },
      { amount: '' },
      { memo: 'x'.repeat(mappingLimits.columnChars + 1) },
      { currency: 'usd' },
      { decimal: "'" },
      { dateFormat: 'YY-MM-DD' },
      { colour: 'red' },
    ];
    for (const change of wrong) expect([change, isMapping(change)]).toEqual([change, false]);
  });

  it('finds its columns whatever their case and spacing, and says which are missing or there twice', () => {
    const bound = bindMapping(full, [' date', 'AMOUNT ', 'id', 'Ref', 'memo', 'Other']);
    expect('map' in bound).toBe(true);
    expect(bindMapping(full, ['Date', 'Amount', 'amount', 'Memo'])).toEqual({
      missing: ['Id', 'Ref'],
      repeated: ['Amount'],
    });
    expect(bindMapping({ ...full, reference: 'Id' }, ['Date', 'Amount', 'Memo'])).toEqual({
      missing: ['Id'],
      repeated: [],
    });
  });
});

describe('a row', () => {
  it('becomes a draft with its line, its day, its amount and its texts', () => {
    expect(mapped(full, fullHeader, [' ch_1 ', '2026-02-28', '-1,234.5', ' ', 'Zoë  M.'])).toEqual({
      draft: {
        line: 7,
        externalId: 'ch_1',
        date: '2026-02-28',
        amountMinor: -123_450,
        reference: null,
        memo: 'Zoë  M.',
      },
    });
    expect(mapped(plain, ['Date', 'Amount'], ['2026-02-28', '5'])).toMatchObject({
      draft: { externalId: null, memo: null },
    });
  });

  it('has the amount of what came in less what went out, or the reverse of it', () => {
    const header = ['Date', 'Out', 'In'];
    const of = (mapping: Mapping, out: string, into: string) =>
      amountOf(mapped(mapping, header, ['2026-01-01', out, into]));
    expect([of(inTwo, '', '5.00'), of(inTwo, '5.00', ''), of(inTwo, '0.00', '7')]).toEqual([500, -500, 700]);
    const inverted: Mapping = { ...inTwo, sign: 'inverted' };
    expect([of(inverted, '', '5.00'), of(inverted, '5.00', ''), of(inverted, '0', '')]).toEqual([-500, 500, 0]);
    expect([of(inTwo, '', ''), of(inTwo, '1', '1'), of(inTwo, '-1', ''), of(inTwo, 'x', '')]).toEqual([
      'amount_missing',
      'debit_and_credit',
      'signed_debit_or_credit',
      'bad_amount',
    ]);
    const single = (amount: string) =>
      amountOf(mapped({ ...plain, sign: 'inverted' }, ['Date', 'Amount'], ['2026-01-01', amount]));
    expect([single('5.00'), single('(5.00)'), single(''), single('1.234')]).toEqual([
      -500,
      500,
      'amount_missing',
      'bad_amount',
    ]);
    expect(Object.is(single('0.00'), 0)).toBe(true);
  });

  it('with a day that does not exist, or that is written otherwise, is refused', () => {
    const nowhere: readonly (readonly [DateFormat, string])[] = [
      ['YYYY-MM-DD', '2023-02-30'],
      ['YYYY-MM-DD', '2023-02-29'],
      ['YYYY-MM-DD', '2023-13-01'],
      ['YYYY-MM-DD', '2023-3-1'],
      ['YYYY-MM-DD', '03/01/2023'],
      ['YYYY-MM-DD', '0023-03-01'],
      ['YYYY-MM-DD', '2300-03-01'],
      ['YYYY-MM-DD', '2023-03-01T10:00:00Z'],
      ['YYYY-MM-DD', '2023-03-01 10:00+02:00'],
      ['YYYY-MM-DD', ''],
      ['DD/MM/YYYY', '31/04/2023'],
      ['DD/MM/YYYY', '03/13/2023'],
      ['MM/DD/YYYY', '13/03/2023'],
      ['MM/DD/YYYY', '3/13/23'],
      ['DD.MM.YYYY', '01/03/2023'],
    ];
    for (const [format, text] of nowhere) expect([text, dateAs(format, text)]).toEqual([text, null]);
    expect(mapped(plain, ['Date', 'Amount'], ['2023-02-30', '1'])).toEqual({ rejected: 'bad_date' });
    expect(dateAs('YYYY-MM-DD', '2024-02-29')).toBe('2024-02-29');
    expect(dateAs('MM/DD/YYYY', '3/1/2023 2:05:09 pm')).toBe('2023-03-01');
    expect(dateAs('DD.MM.YYYY', '1.3.2023 14:05')).toBe('2023-03-01');
    expect(dateAs('YYYY-MM-DD', '2023-03-01T14:05:09.123')).toBe('2023-03-01');
  });

  it('says the day that was written, in each of the formats', () => {
    const [first, last] = [mappingLimits.firstDate, mappingLimits.lastDate].map((day) =>
      epochDayOfDate(day as LocalDate),
    );
    fc.assert(
      fc.property(fc.integer({ min: first!, max: last! }), fc.constantFrom(...dateFormats), (day, format) => {
        const date = dateOfEpochDay(day);
        const [year = '', month = '', dayOfMonth = ''] = date.split('-');
        const text = format.replace('YYYY', year).replace('MM', month).replace('DD', dayOfMonth);
        expect(dateAs(format, text)).toBe(date);
      }),
    );
  });

  it('with a text that is too long is refused, and one that just fits is not', () => {
    const [long, fits] = [(chars: number) => 'x'.repeat(chars + 1), (chars: number) => 'x'.repeat(chars)];
    const { externalIdChars, referenceChars, memoChars } = mappingLimits;
    const of = (id: string, reference: string, memo: string) =>
      mapped(full, fullHeader, [id, '2026-01-01', '1', reference, memo]);
    expect(of(long(externalIdChars), '', '')).toEqual({ rejected: 'external_id_too_long' });
    expect(of('', long(referenceChars), '')).toEqual({ rejected: 'reference_too_long' });
    expect(of('', '', long(memoChars))).toEqual({ rejected: 'memo_too_long' });
    expect('draft' in of(fits(externalIdChars), fits(referenceChars), fits(memoChars))).toBe(true);
  });

  it('that could not be read keeps the reason, and every reason is in the closed list', () => {
    const binding = bindMapping(plain, ['Date', 'Amount']);
    for (const malformed of malformations) {
      expect('map' in binding && binding.map({ line: 2, raw: '', malformed })).toEqual({ rejected: malformed });
      expect(rejectionCodes).toContain(malformed);
    }
  });

  it('of any text is a draft or has a reason of the list, and each line of the file is one of the two', () => {
    const cell = fc.oneof(
      fc.string({ unit: fc.constantFrom('1', '0', '-', '.', ',', '/', '"', ' ', 'é', '\u0000'), maxLength: 10 }),
      fc.constantFrom('2026-01-01', '1.00', ''),
    );
    const lines = fc.array(fc.array(cell, { minLength: 1, maxLength: 6 }), { maxLength: 10 });
    fc.assert(
      fc.property(lines, (rows) => {
        const scanner = new CsvScanner();
        const text = `${fullHeader.join(',')}\n${rows.map((row) => `${row.join(',')}x`).join('\n')}\n`;
        const scanned = [...scanner.push(Buffer.from(text)), ...scanner.end()];
        const binding = bindMapping(full, scanner.header ?? []);
        if (!('map' in binding)) throw new Error('not bound');
        for (const row of scanned.map(binding.map)) {
          if ('rejected' in row) expect(rejectionCodes).toContain(row.rejected);
          else expect(Number.isSafeInteger(row.draft.amountMinor)).toBe(true);
        }
        const consumed = scanned.reduce((sum, { raw }) => sum + raw.split('\n').length, 0);
        expect(consumed).toBe(rows.length);
      }),
    );
  });

  it('gives back every amount that was written', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.constantFrom('USD', 'JPY', 'KWD'), (minor, currency) => {
        const row = mapped({ ...plain, currency }, ['Date', 'Amount'], ['2026-01-01', formatMoney(minor, currency)]);
        expect(amountOf(row)).toBe(minor);
      }),
    );
  });
});

describe('a mapping that is guessed', () => {
  const guessed = (header: string, rows?: readonly (readonly string[])[]) => guessMapping(header.split(','), { rows });
  const formats = { dateFormat: 'YYYY-MM-DD', decimal: '.', currency: 'USD', sign: 'as_is' };

  it('knows what sources call their columns', () => {
    expect(guessed('pair_id,memo,date,amount')).toEqual({ memo: 'memo', date: 'date', amount: 'amount', ...formats });
    expect(guessed('Transaction Date,Post Date,Description,Category,Type,Amount,Memo')).toEqual({
      date: 'Transaction Date',
      amount: 'Amount',
      memo: 'Description',
      ...formats,
    });
    expect(guessed('Date,Description,Money In,Money Out,Balance')).toMatchObject({
      debit: 'Money Out',
      credit: 'Money In',
    });
    expect(guessed('balance_transaction_id,created,currency,gross,description,charge_id')).toMatchObject({
      externalId: 'balance_transaction_id',
      date: 'created',
      amount: 'gross',
    });
    expect(
      guessed('Invoice Number,Guest Name,Date,Transaction #,Reference #,Amount,Tips,Total,Fees,Net'),
    ).toMatchObject({
      externalId: 'Transaction #',
      reference: 'Reference #',
      amount: 'Amount',
    });
    expect(guessMapping(['Date', 'Amount'], { currency: 'EUR' })).toMatchObject({ currency: 'EUR' });
  });

  it('is not made where two columns could be meant, or none', () => {
    const unclear = [
      'created,gross,net',
      'Date,Transaction Date,Amount',
      'Date,Amount,Debit,Credit',
      'Date,Debit',
      'Date,Memo',
    ];
    const absent = ['Amount,Memo', '', 'Date,Amount,amount', 'x,y,z'];
    for (const header of [...unclear, ...absent]) expect([header, guessed(header)]).toEqual([header, null]);
  });

  it('takes the formats from the rows, and none where they leave two', () => {
    const header = 'Date,Amount';
    const formatsOf = (...rows: readonly (readonly string[])[]) => {
      const guess = guessed(header, rows);
      return guess && [guess.dateFormat, guess.decimal];
    };
    expect(formatsOf(['03/04/2026', '1'], ['13/04/2026', '1.234,50'])).toEqual(['DD/MM/YYYY', ',']);
    expect(formatsOf(['04/13/2026', '1,234.50'])).toEqual(['MM/DD/YYYY', '.']);
    expect(formatsOf(['13.04.2026', '12'])).toEqual(['DD.MM.YYYY', '.']);
    expect(formatsOf(['03/04/2026', '1'])).toBeNull();
    expect(formatsOf(['2026-01-01', '1,50'], ['2026-01-01', '1.50'])).toBeNull();
    expect(formatsOf(['tomorrow', '1'])).toBeNull();
  });

  it('always fits the header that it was made for', () => {
    const names = ['Date', 'Amount', ' amount', 'Gross', 'Net', 'Debit', 'Credit', 'Memo', 'Reference', 'ID', 'x'];
    let made = 0;
    fc.assert(
      fc.property(fc.shuffledSubarray(names), (header) => {
        const guess = guessMapping(header);
        if (guess === null) return;
        made += 1;
        expect(mappingSchema.safeParse(guess).success).toBe(true);
        expect('map' in bindMapping(guess, header)).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(made).toBeGreaterThan(0);
  });
});
