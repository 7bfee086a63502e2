import { newId } from '#infra/kernel';
import type { SlotPlan } from '../slots.js';
import { type Choice, idPrefixAt, type RecordedBooking, scriptOf, type TypedStatement } from './script.js';

const plan: SlotPlan = { firstMin: 30_000_000, stepMin: 15, starts: 96, clinics: 2, triples: 3 };
const startMin = 30_001_440;
const atMs = Date.parse('2026-12-01T10:00:00Z');
const tenant = newId();
const rooms: Choice = { index: 'triple_of_all', ids: [newId(), newId()] };
const booking: RecordedBooking = {
  startMin,
  atMs,
  sameIds: new Set([tenant, rooms.ids[0]!]),
  choices: new Map(rooms.ids.map((id) => [id, rooms])),
};
const statement = (
  sql: string,
  values: TypedStatement['parameters'] = [],
  types: string[] = [],
  flight = 1,
): TypedStatement => ({
  sql,
  parameters: values,
  types,
  flight,
});
const made = (...statements: TypedStatement[]) => scriptOf(statements, booking, plan);
/** The one line that a statement became. */
const line = (...args: Parameters<typeof statement>) =>
  made(statement(...args))
    .text.trimEnd()
    .split('\n')
    .at(-1);

describe('one booking as a pgbench script', () => {
  it('keeps the order and sends what left together in one pipeline', () => {
    const { text } = made(
      statement('begin', [], [], 3),
      statement('select 1', [], [], 3),
      statement('select 2', [], [], 5),
      statement('select 3', [], [], 7),
      statement('commit', [], [], 7),
    );
    expect(text.slice(text.indexOf('\\startpipeline')).trimEnd().split('\n')).toEqual([
      '\\startpipeline',
      'begin;',
      'select 1;',
      '\\endpipeline',
      'select 2;',
      '\\startpipeline',
      'select 3;',
      'commit;',
      '\\endpipeline',
    ]);
  });

  it('passes what every booking shares as a parameter, once per value', () => {
    const { text, variables } = made(
      statement('select $1, $2, $3', [tenant, 'Etc/UTC', tenant], ['uuid', 'text', 'uuid']),
      statement('select $1', [Buffer.from([1, 254])], ['bytea'], 2),
    );
    expect(text).toContain('select :c1::uuid, :c2::text, :c1::uuid;');
    expect(text).toContain('select :c3::bytea;');
    expect(variables).toEqual({ n: '0', c1: tenant, c2: 'Etc/UTC', c3: '\\x01fe' });
  });

  it('keeps null a null of its type, and casts as they stand', () => {
    expect(line('select $1::int, $2', [null, null], ['integer', 'uuid'])).toBe(
      'select null::integer::int, null::uuid;',
    );
  });

  it('counts minutes from the start of the place, also inside lists and documents', () => {
    const { text } = made(
      statement(
        'select $1, $2, $3',
        [String(startMin - 720), '{30001440,30001455}', '45'],
        ['integer', 'integer[]', 'integer'],
      ),
    );
    expect(text).toContain('\\set start_before_720 :start + -720');
    expect(text).toContain('\\set start_after_15 :start + 15');
    expect(text).toContain(
      `select :start_before_720::integer, ('{' || :start_after_0::text || ',' || :start_after_15::text || '}')::integer[], :c1::integer;`,
    );
  });

  it('moves local times and dates with the start, and instants with the clock', () => {
    const local = new Date((startMin + 30) * 60_000).toISOString().slice(0, 16);
    const { text } = made(
      statement(
        'select $1, $2, $3, $4',
        [local, local.slice(0, 10), new Date(atMs + 24 * 3_600_000).toISOString(), '2020-01-01T00:00:00Z'],
        ['timestamp without time zone', 'date', 'timestamp with time zone', 'timestamp with time zone'],
      ),
    );
    expect(text).toContain(
      `select (timestamp 'epoch' + :start_after_30::int * interval '1 minute'), (date 'epoch' + :day_after_0::int), ` +
        'to_timestamp(:at::float8 + 86400), :c1::timestamp with time zone;',
    );
    expect(text).toContain('\\set day_after_0 :start / 1440 + 0');
  });

  it('makes ids anew that were made for the booking, the same id the same everywhere', () => {
    const [visit, claim] = [newId(), newId()];
    const { text } = made(statement('select $1, $2', [visit, `{${claim},${visit}}`], ['uuid', 'uuid[]']));
    const id = (n: number) => `:id_prefix::text || :id_${n}::text`;
    expect(text).toContain(`select (${id(0)})::uuid, ('{' || ${id(1)} || ',' || ${id(0)} || '}')::uuid[];`);
    expect(text).toContain('\\set id_1 :id + 1');
  });

  it('takes ids on which the place decides from their list, though every recorded booking had the same', () => {
    const room = rooms.ids[0]!;
    const list = `'{${rooms.ids.join(',')}}'`;
    expect(line('select $1', [room], ['uuid'])).toBe(`select ((${list}::uuid[])[:nth_triple_of_all::int])::uuid;`);
    expect(line('select $1', [`[{"resourceId":"${room}","kind":null}]`], ['jsonb'])).toBe(
      `select ('[{"resourceId":"' || (${list}::text[])[:nth_triple_of_all::int] || '","kind":' || 'null}]')::jsonb;`,
    );
  });

  it('shows pgbench no colon before a letter except in variables, and doubles quotes', () => {
    expect(line('select $1', [`{"it's":true,"at":${startMin}}`], ['jsonb'])).toBe(
      `select ('{"it''s":' || 'true,"at":' || :start_after_0::text || '}')::jsonb;`,
    );
    expect(() => made(statement(`select to_char(now(), 'HH24:MI')`))).toThrow('pgbench would read a variable');
  });

  it('refuses a parameter whose type nobody knows', () => {
    expect(() => made(statement('select $1', ['a'], []))).toThrow('no type for $1');
  });

  it('has room for the fresh ids of a booking and says when there are more', () => {
    const ids = Array.from({ length: 65 }, () => newId());
    expect(() => made(statement('select $1', [`{${ids.join(',')}}`], ['uuid[]']))).toThrow('more than 64 fresh ids');
  });
});

describe('the prefix of fresh ids', () => {
  it('makes a UUIDv7 of its instant with twelve more digits', () => {
    const id = `${idPrefixAt(atMs)}100000000063`;
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-\d{12}$/);
    expect(Number.parseInt(id.slice(0, 13).replace('-', ''), 16)).toBe(atMs);
  });
});
