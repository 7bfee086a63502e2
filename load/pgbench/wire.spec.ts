import { MessageReader, readStartup, StatementReader } from './wire.js';

const int16 = (n: number) => Buffer.from([(n >> 8) & 0xff, n & 0xff]);
const int32 = (n: number) => Buffer.concat([int16((n >> 16) & 0xffff), int16(n & 0xffff)]);
const text = (word: string) => Buffer.from(`${word}\0`);
const message = (type: string, ...parts: Buffer[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
};
const value = (bytes: Buffer | null) => (bytes === null ? int32(-1) : Buffer.concat([int32(bytes.length), bytes]));
const bind = (name: string, formats: number[], values: (Buffer | null)[]) =>
  message(
    'B',
    text(''),
    text(name),
    int16(formats.length),
    ...formats.map(int16),
    int16(values.length),
    ...values.map(value),
    int16(0),
  );
const statementsOf = (...messages: Buffer[]) => {
  const reader = new StatementReader();
  return new MessageReader(false)
    .read(Buffer.concat(messages))
    .map((each) => reader.read(each))
    .filter((statement) => statement !== undefined);
};

describe('messages on the wire', () => {
  const startup = message(
    '',
    int32(196_608),
    text('user'),
    text('praxis_app'),
    text('statement_timeout'),
    text('15000'),
    text(''),
  );

  it('are cut the same, however the bytes arrive', () => {
    const bytes = Buffer.concat([startup, message('Q', text('begin')), message('S')]);
    const whole = new MessageReader(true).read(bytes).map(({ type }) => type);
    const reader = new MessageReader(true);
    const piecewise = [...bytes].flatMap((byte) => reader.read(Buffer.from([byte]))).map(({ type }) => type);
    expect(whole).toEqual(['', 'Q', 'S']);
    expect(piecewise).toEqual(whole);
  });

  it('begin with the settings of the connection', () => {
    const [first] = new MessageReader(true).read(startup);
    expect([...readStartup(first!)]).toEqual([
      ['user', 'praxis_app'],
      ['statement_timeout', '15000'],
    ]);
  });
});

describe('statements on the wire', () => {
  it('are a plain query as it stands', () => {
    expect(statementsOf(message('Q', text('commit')))).toEqual([{ sql: 'commit', parameters: [] }]);
  });

  it('are a named text with the values bound last, text, binary or null', () => {
    const parse = message('P', text('p1'), text('select $1, $2, $3'), int16(0));
    const first = bind('p1', [0, 1, 0], [Buffer.from('é'), Buffer.from([0, 255]), null]);
    const second = bind('p1', [], [Buffer.from('a'), Buffer.from('b'), Buffer.from('')]);
    expect(
      statementsOf(parse, first, message('E', text(''), int32(0)), second, message('E', text(''), int32(0))),
    ).toEqual([
      { sql: 'select $1, $2, $3', parameters: ['é', Buffer.from([0, 255]), null] },
      { sql: 'select $1, $2, $3', parameters: ['a', 'b', ''] },
    ]);
  });
});
