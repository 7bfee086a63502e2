import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { delimiters } from './csv-grammar.js';
import { type CsvOptions, type CsvRecord, type CsvRow, CsvScanner, csvLimits } from './csv-scanner.js';

interface Scanned {
  readonly header: readonly string[] | null;
  readonly rows: readonly CsvRow[];
  readonly blankLines: number;
}

function scan(chunks: readonly Buffer[], options: CsvOptions = {}): Scanned {
  const scanner = new CsvScanner(options);
  const rows = [...chunks.flatMap((chunk) => scanner.push(chunk)), ...scanner.end()];
  return { header: scanner.header, rows, blankLines: scanner.blankLines };
}
const scanText = (text: string, options: CsvOptions = {}): Scanned => scan([Buffer.from(text)], options);

const isRecord = (row: CsvRow): row is CsvRecord => 'fields' in row;
const fieldsOf = (rows: readonly CsvRow[]) => rows.filter(isRecord).map(({ fields }) => fields);
const faultsOf = (rows: readonly CsvRow[]) => rows.map((row) => [row.line, isRecord(row) ? null : row.malformed]);

/** Chunks that end at any bytes, some of them empty. */
function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}
const places = fc.array(fc.nat(100_000), { maxLength: 12 });

const lineEnds = fc.constantFrom('\n', '\r\n', '\r');
const text = fc.string({
  unit: fc.constantFrom('a', 'b', ' ', '7', 'é', '€', '😀', '"', ',', ';', '\t', '|', '\n', '\r'),
  maxLength: 8,
});
const oracle = (bytes: Buffer, delimiter: string): readonly (readonly string[])[] =>
  parse(bytes, {
    bom: true,
    delimiter,
    record_delimiter: ['\r\n', '\n', '\r'],
    skip_empty_lines: true,
    relax_column_count: true,
  });

const files = fc
  .record({ columns: fc.integer({ min: 2, max: 6 }), delimiter: fc.constantFrom(...delimiters), bom: fc.boolean() })
  .chain(({ columns, delimiter, bom }) => {
    const field = fc.record({ text, quoted: fc.boolean() }).map(({ text, quoted }) => {
      const must = text.includes(delimiter) || /["\r\n]/.test(text);
      return quoted || must ? `"${text.replaceAll('"', '""')}"` : text;
    });
    const row = fc.array(field, { minLength: columns, maxLength: columns }).map((fields) => fields.join(delimiter));
    const ended = fc.tuple(row, lineEnds, fc.boolean()).map(([row, end, blank]) => row + end + (blank ? end : ''));
    const header = lineEnds.map((end) => Array.from({ length: columns }, (_, n) => `c${n}`).join(delimiter) + end);
    return fc.tuple(header, fc.array(ended, { maxLength: 12 }), fc.boolean()).map(([header, rows, open]) => {
      const whole = header + rows.join('');
      return { bytes: Buffer.from((bom ? '\ufeff' : '') + (open ? whole.replace(/[\r\n]+$/, '') : whole)), delimiter };
    });
  });

describe('a CSV file', () => {
  it('is read as csv-parse reads it, wherever its bytes are cut into chunks', () => {
    fc.assert(
      fc.property(files, places, ({ bytes, delimiter }, where) => {
        const { header, rows } = scan(cut(bytes, where));
        expect(rows.every(isRecord)).toBe(true);
        expect([header, ...fieldsOf(rows)]).toEqual(oracle(bytes, delimiter));
      }),
      { numRuns: 1_000 },
    );
  });

  it('made of anything is refused by csv-parse exactly where a row is malformed here, and read alike elsewhere', () => {
    const unit = fc.constantFrom('a', 'é', '"', '"', ',', '\n', '\r');
    let refused = 0;
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 30 }), places, (body, where) => {
        const bytes = Buffer.from(`x,y\n${body}`);
        const { rows } = scan(cut(bytes, where), { delimiter: ',' });
        const malformed = rows.filter((row) => !isRecord(row) && row.malformed !== 'wrong_column_count');
        let expected: readonly (readonly string[])[] | null = null;
        try {
          expected = oracle(bytes, ',');
        } catch {
          refused += 1;
        }
        expect(malformed.length > 0).toBe(expected === null);
        if (expected === null) return;
        const dropped = (row: readonly string[]) =>
          row.slice(2).every((field) => field === '') ? row.slice(0, 2) : row;
        expect(fieldsOf(rows)).toEqual(
          expected
            .slice(1)
            .map(dropped)
            .filter((row) => row.length === 2),
        );
      }),
      { numRuns: 2_000 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it('of any bytes gives the same rows however it is cut, keeps every byte, and names lines in order', () => {
    const unit = fc.constantFrom('a', 'bcd', '"', '""', ',', '\n', '\r', '\r\n', '\u0000');
    const raw = fc.string({ unit, maxLength: 60 });
    const limits = fc.record({
      maxRowBytes: fc.integer({ min: 1, max: 24 }),
      maxColumns: fc.integer({ min: 1, max: 3 }),
    });
    const bare = (value: string) => value.replaceAll(/[\r\n]/g, '');
    fc.assert(
      fc.property(raw, limits, places, (body, options, where) => {
        const bytes = Buffer.from(`a\n${body}`);
        const whole = scan([bytes], { ...options, delimiter: ',' });
        expect(scan(cut(bytes, where), { ...options, delimiter: ',' })).toEqual(whole);
        expect(
          scan(
            [...bytes].map((byte) => Buffer.of(byte)),
            { ...options, delimiter: ',' },
          ),
        ).toEqual(whole);
        const lines = whole.rows.map(({ line }) => line);
        expect(lines).toEqual([...new Set(lines)].sort((a, b) => a - b));
        const physical = bytes.toString().split(/\r\n|\r|\n/);
        for (const row of whole.rows)
          expect(physical[row.line - 1]?.startsWith(bare(row.raw.split(/[\r\n]/)[0] ?? ''))).toBe(true);
        const long = whole.rows.some((row) => Buffer.byteLength(row.raw) >= options.maxRowBytes);
        if (!long) expect(whole.rows.map(({ raw }) => bare(raw)).join('')).toBe(bare(body));
      }),
      { numRuns: 1_000 },
    );
  });

  it('of many slices is read the same in chunks of any size', () => {
    const row = (n: number) => (n % 7 === 0 ? `${n},"Zoë\r\n""${n}""\n${'x'.repeat(n % 300)}"` : `${n},Ann ${n}`);
    const lines = Array.from({ length: 6_000 }, (_, n) => row(n) + (n % 2 === 0 ? '\n' : '\r\n'));
    const good = Buffer.from(`a,b\n${lines.join('')}`);
    const bad = Buffer.from(`a,b\n${lines.map((line, n) => (n % 97 === 0 ? `${n},"open\n${line}` : line)).join('')}`);
    const inChunks = (bytes: Buffer, size: number) =>
      scan(Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size)));
    const expected = oracle(good, ',').slice(1);
    const whole = inChunks(bad, bad.length);
    for (const size of [997, 65_536, 200_003, good.length]) {
      expect(fieldsOf(inChunks(good, size).rows)).toEqual(expected);
      expect(inChunks(bad, size)).toEqual(whole);
    }
    const faults = whole.rows.filter((row) => !isRecord(row) && row.malformed === 'unclosed_quote');
    expect(faults).toHaveLength(Math.ceil(lines.length / 97));
    expect(fieldsOf(whole.rows)).toEqual(expected);
  });

  it('has the delimiter that its header has most of outside of quotes', () => {
    const readBy = (text: string) => [scanText(text).header, fieldsOf(scanText(text).rows)];
    expect(readBy('a;"b,c,d,e"\n1;2')).toEqual([['a', 'b,c,d,e'], [['1', '2']]]);
    expect(readBy('\r\n\na\tb\n1,5\t2')).toEqual([['a', 'b'], [['1,5', '2']]]);
    expect(readBy('\ufeff"a";b\n1;2')).toEqual([['a', 'b'], [['1', '2']]]);
    expect(readBy('a|b\n1|2')).toEqual([['a', 'b'], [['1', '2']]]);
    expect(readBy('Amount\n12;00')).toEqual([['Amount'], [['12;00']]]);
  });

  it('counts its lines as an editor does, line ends within quotes included', () => {
    const { rows, blankLines } = scanText('a,b\r\n\r\n"1\r\nx\ny\rz",2\r\n3,4\r5,6\n\n7,8');
    expect(rows.map(({ line }) => line)).toEqual([3, 7, 8, 10]);
    expect(rows[0]).toEqual({ line: 3, fields: ['1\r\nx\ny\rz', '2'], raw: '"1\r\nx\ny\rz",2' });
    expect(blankLines).toBe(2);
  });

  it('that is empty, blank or only a header has no rows', () => {
    expect(scanText('')).toEqual({ header: null, rows: [], blankLines: 0 });
    expect(scanText('\n\r\n')).toEqual({ header: null, rows: [], blankLines: 2 });
    expect(scanText('\ufeffa,b')).toEqual({ header: ['a', 'b'], rows: [], blankLines: 0 });
    expect(() => {
      const scanner = new CsvScanner();
      scanner.end();
      scanner.push(Buffer.from('a'));
    }).toThrow();
  });
});

describe('a malformed row', () => {
  it('never stops the file: the rows around it are read', () => {
    const { rows } = scanText('a,b\n1,2\n3,"x"y\n4,z"z\n5\n6,7,8\n9,10,,\n11,\u0000\n12,13\n');
    expect(faultsOf(rows)).toEqual([
      [2, null],
      [3, 'stray_quote'],
      [4, 'stray_quote'],
      [5, 'wrong_column_count'],
      [6, 'wrong_column_count'],
      [7, null],
      [8, 'nul_byte'],
      [9, null],
    ]);
    expect(fieldsOf(rows)).toEqual([
      ['1', '2'],
      ['9', '10'],
      ['12', '13'],
    ]);
    expect(rows.map(({ raw }) => raw)[1]).toBe('3,"x"y');
  });

  it('with a quote left open costs its own line only', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const lines = ['a,b', '1,"open', '2,"x"', '3,y'].join(end);
      expect(faultsOf(scanText(lines).rows)).toEqual([
        [2, 'unclosed_quote'],
        [3, null],
        [4, null],
      ]);
      expect(faultsOf(scanText(`a,b${end}1,2${end}3,"open${end}4,5${end}`).rows)).toEqual([
        [2, null],
        [3, 'unclosed_quote'],
        [4, null],
      ]);
      expect(scanText(lines).rows.map(({ raw }) => raw)).toEqual(['1,"open', '2,"x"', '3,y']);
    }
    const { rows } = scanText('a,b\n1,"open');
    expect(rows).toEqual([{ line: 2, raw: '1,"open', malformed: 'unclosed_quote' }]);
  });

  it('with a quote left open costs its own line where the bytes between are moved in memory, too', () => {
    const capacity = csvLimits.maxRowBytes + 2 * 64 * 1024;
    for (let place = capacity - 24; place <= capacity; place += 1) {
      const filler = 'x'.repeat(csvLimits.maxRowBytes - 100);
      const before = `a,b\n${[1, 2, 3].map((n) => `${n},${filler}\n`).join('')}`;
      const padding = 'y'.repeat(place - before.length - '4,\n'.length);
      const { rows } = scanText(`${before}4,${padding}\n5,"open\r\n6,six\r\n7,"x"\n`);
      expect(faultsOf(rows.slice(3))).toEqual([
        [5, null],
        [6, 'unclosed_quote'],
        [7, null],
        [8, null],
      ]);
    }
  });

  it('that is too long costs itself, and one that just fits is read', () => {
    const just = 'x'.repeat(csvLimits.maxRowBytes - 2);
    const { rows } = scanText(
      `a,b\n1,${just}\r\n2,${just}x\n3,"${just}\n4,5\n6,"${'y\n'.repeat(csvLimits.maxRowBytes)}\n`,
    );
    expect(faultsOf(rows.slice(0, 5))).toEqual([
      [2, null],
      [3, 'too_long'],
      [4, 'unclosed_quote'],
      [5, null],
      [6, 'unclosed_quote'],
    ]);
    expect(rows[1]?.raw).toHaveLength(csvLimits.maxRowBytes);
    expect(rows.slice(5).every((row) => !isRecord(row) && row.malformed === 'wrong_column_count')).toBe(true);
    expect(rows).toHaveLength(5 + csvLimits.maxRowBytes - 1);
  });

  it('has at most two hundred columns, and a header that cannot be read leaves no row to read', () => {
    const wide = (columns: number) => Array.from({ length: columns }, (_, n) => `c${n}`).join(',');
    expect(scanText(wide(200)).header).toHaveLength(200);
    expect(faultsOf(scanText(`a,b\n${wide(201)}`).rows)).toEqual([[2, 'too_many_columns']]);
    const headless = scanText(`${wide(201)}\n1,2\n`);
    expect([headless.header, faultsOf(headless.rows)]).toEqual([
      null,
      [
        [1, 'too_many_columns'],
        [2, 'no_header'],
      ],
    ]);
    const utf16 = scan([Buffer.from('\ufeffa,b\n1,2\n', 'utf16le')]);
    expect([utf16.header, utf16.rows[0]]).toMatchObject([null, { malformed: 'nul_byte' }]);
  });
});

describe('the encoding of a file', () => {
  const windows = (line: string) => Buffer.from(line, 'latin1');

  it('is UTF-8 or Windows-1252, by what most of its start is', () => {
    const [euro, dash] = [0x80, 0x96];
    const scanned = scan([windows('a,b\nRen\xe9,'), Buffer.of(euro, dash), windows('\n')]);
    expect(fieldsOf(scanned.rows)).toEqual([['René', '€–']]);
    expect(fieldsOf(scanText('a,b\nRené,€–😀\n').rows)).toEqual([['René', '€–😀']]);
  });

  it('stays for the whole file, and a row that breaks it is refused alone', () => {
    const bytes = Buffer.concat([
      Buffer.from('a,b\nRené,1\nZoë,2\n'),
      windows('Ren\xe9,3\n'),
      Buffer.from('René,4\n\ufffd,5\n'),
    ]);
    const { rows } = scan([bytes]);
    expect(faultsOf(rows)).toEqual([
      [2, null],
      [3, null],
      [4, 'bad_encoding'],
      [5, null],
      [6, null],
    ]);
    expect(faultsOf(scan([Buffer.from('\ufeffa,b\n'), windows('Ren\xe9,3\n')]).rows)).toEqual([[2, 'bad_encoding']]);
  });

  it('is settled by the first row that is not ASCII where the start is', () => {
    const ascii = Buffer.from(`a,b\n${'x,y\n'.repeat(csvLimits.sampleBytes / 4)}`);
    const last = (tail: Buffer) => fieldsOf(scan([ascii, tail, tail]).rows).slice(-2);
    expect(last(windows('Ren\xe9,1\n'))).toEqual([
      ['René', '1'],
      ['René', '1'],
    ]);
    expect(last(Buffer.from('René,1\n'))).toEqual([
      ['René', '1'],
      ['René', '1'],
    ]);
  });

  it('stays open while a row that cannot be read has given up before its first letter beyond ASCII', () => {
    const ascii = `a,b\n${'x,y\n'.repeat(csvLimits.sampleBytes / 4)}`;
    const { rows } = scanText(`${ascii}1,"open\nRené,"x"\n`);
    expect(
      faultsOf(rows)
        .slice(-2)
        .map(([, fault]) => fault),
    ).toEqual(['unclosed_quote', null]);
    expect(fieldsOf(rows).at(-1)).toEqual(['René', 'x']);
  });

  it('is not mistaken where the start ends within a letter', () => {
    const filler = 'x'.repeat(csvLimits.sampleBytes - 'a,b\n1,'.length - 1);
    const text = `a,b\n1,${filler}é\n2,é\n`;
    const options = { maxRowBytes: 2 * csvLimits.maxRowBytes };
    for (const bytes of [Buffer.from(text), windows(text)]) {
      const rows = fieldsOf(scan([bytes], options).rows);
      expect(rows.map(([, field]) => field?.at(-1))).toEqual(['é', 'é']);
    }
  });

  it('never depends on how the bytes are cut', () => {
    const unit = fc.constantFrom(0x41, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x2c, 0x0a, 0x0d, 0x22);
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 40 }), places, (body, where) => {
        const bytes = Buffer.from([0x61, 0x0a, ...body]);
        expect(scan(cut(bytes, where))).toEqual(scan([bytes]));
      }),
      { numRuns: 500 },
    );
  });
});
