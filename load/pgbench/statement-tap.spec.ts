import { createServer, type Server } from 'node:net';
import { bookingsIn } from './record.js';
import { type Recorded, Recording, StatementTap } from './statement-tap.js';

const query = (sql: string) => {
  const body = Buffer.from(`${sql}\0`);
  const head = Buffer.alloc(5);
  head.write('Q');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
const startup = Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0]);

describe('a recording', () => {
  it('puts what left before any answer into one flight', () => {
    const recording = new Recording();
    recording.asked(startup);
    recording.answered(ready);
    recording.asked(Buffer.concat([query('begin'), query('a')]));
    recording.answered(ready);
    recording.asked(query('b'));
    recording.answered(Buffer.concat([ready, ready]));
    recording.asked(query('c'));
    expect(recording.statements.map(({ sql, flight }) => `${flight} ${sql}`)).toEqual(['1 begin', '1 a', '1 b', '2 c']);
  });
});

describe('the tap', () => {
  let server: Server;
  beforeAll(async () => {
    server = createServer((socket) => socket.on('data', () => socket.write(ready)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('carries bytes both ways and keeps what was asked', async () => {
    const { port } = server.address() as { port: number };
    const tap = await StatementTap.open({ host: '127.0.0.1', port });
    const { connect } = await import('node:net');
    const client = connect(tap.port, '127.0.0.1');
    const answer = () => new Promise<Buffer>((resolve) => client.once('data', resolve));
    client.write(startup);
    expect(await answer()).toEqual(ready);
    client.write(query('select 1'));
    expect(await answer()).toEqual(ready);
    expect(tap.connections.map(({ statements }) => statements)).toEqual([
      [{ sql: 'select 1', parameters: [], flight: 1 }],
    ]);
    await tap.close();
  });
});

describe('the bookings of a recording', () => {
  const asked = (...statements: [flight: number, sql: string][]): Recorded[] =>
    statements.map(([flight, sql]) => ({ flight, sql, parameters: [] }));
  const texts = (statements: Recorded[]) => bookingsIn(statements).map((each) => each.map(({ sql }) => sql));

  it('are the transactions that made a visit, with what left together with their COMMIT', () => {
    const insert = 'insert into appointment (id) values ($1)';
    expect(
      texts(
        asked(
          [1, 'begin'],
          [1, 'select 1'],
          [2, 'commit'],
          [2, 'select position'],
          [3, 'begin'],
          [4, insert],
          [4, 'commit'],
          [4, 'select position'],
          [5, 'select 2'],
          [6, 'begin'],
          [6, insert],
          [6, 'commit'],
        ),
      ),
    ).toEqual([
      ['begin', insert, 'commit', 'select position'],
      ['begin', insert, 'commit'],
    ]);
  });

  it('are none where other tables are written', () => {
    expect(texts(asked([1, 'begin'], [1, 'insert into appointment_history (id) values ($1)'], [1, 'commit']))).toEqual(
      [],
    );
  });
});
