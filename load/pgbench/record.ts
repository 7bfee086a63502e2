import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { AppProcess, findPort } from '#infra/testing';
import { ApiClient, appointmentsPath } from '../api-client.js';
import { bookingBody, type Clinic } from '../clinic.js';
import type { Run } from '../stack.js';
import type { Choice, RecordedBooking, TypedStatement } from './script.js';
import { type Recorded, StatementTap } from './statement-tap.js';

export interface Recording {
  readonly statements: readonly TypedStatement[];
  readonly booking: RecordedBooking;
  /** Settings with which the app opens a connection. */
  readonly startup: ReadonlyMap<string, string>;
  /** Bookings that were made to get here. */
  readonly bookings: number;
}

/** Enough for every cache to be warm and every statement to have its name. */
const bookingsMade = 6;

/**
 * What the app asks PostgreSQL for one booking: an api process of its own books through a tap on the wire. Its last two
 * bookings must have asked the same.
 */
export async function recordBooking(run: Run, clinics: readonly Clinic[], startMin: number): Promise<Recording> {
  const { stack } = run;
  const postgres = stack.cluster.servers[run.server];
  if (postgres === undefined) throw new Error(`there is no server ${run.server}`);
  const tap = await StatementTap.open(postgres);
  const app = await tappedApi(run, tap.port);
  try {
    await app.start();
    const api = await ApiClient.login(app.url, run.credentials);
    const made = [];
    for (let n = 0; n < bookingsMade; n += 1) made.push(await bookOne(api, clinics[0], startMin + n * 1_440));
    api.close();
    const last = made.at(-1);
    const found = tap.connections.flatMap(({ statements }) => bookingsIn(statements));
    const [statements, ...others] = found.filter((each) => each.some((s) => mentions(s, last?.id ?? '')));
    if (last === undefined || statements === undefined || others.length > 0)
      throw new Error('the booking was not seen on the wire');
    if (!found.every((each) => sameTexts(each, statements))) throw new Error('two bookings asked different things');
    return {
      statements: await withTypes(run, statements),
      booking: { ...last, sameIds: sameIdsOf(run, statements, found), choices: choicesOf(clinics) },
      startup:
        tap.connections.find((each) => each.statements.includes(statements[0] as Recorded))?.startup ?? new Map(),
      bookings: bookingsMade,
    };
  } finally {
    await app.stop();
    await tap.close();
  }
}

async function tappedApi({ stack, server }: Run, tapPort: number): Promise<AppProcess> {
  const name = `SHARD_${server + 1}_URL`;
  const tapped = new URL(stack.environment[name] ?? '');
  tapped.port = String(tapPort);
  const port = await findPort('the recorded API', [], () => {});
  return new AppProcess({
    name: 'api-recorded',
    app: 'api',
    port,
    environment: { ...stack.environment, [name]: tapped.href, HTTP_PORT: String(port), NODE_OPTIONS: '' },
    pidFolder: join(stack.cluster.home, 'apps'),
    onLine: () => {},
  });
}

async function bookOne(api: ApiClient, clinic: Clinic | undefined, startMin: number) {
  if (clinic === undefined) throw new Error('no clinic to book at');
  const atMs = Date.now();
  const headers = { ...api.headers, 'idempotency-key': randomUUID() };
  const answer = await api.connection.request('POST', appointmentsPath, headers, bookingBody(clinic, startMin));
  if (answer.status !== 201) throw new Error(`a booking was answered with ${answer.status}: ${answer.body}`);
  return { id: (JSON.parse(answer.body) as { id: string }).id, startMin, atMs };
}

/** Transactions that made a visit, each with what left in the same flight as its COMMIT. */
export function bookingsIn(statements: readonly Recorded[]): readonly (readonly Recorded[])[] {
  const bookings: Recorded[][] = [];
  let current: Recorded[] = [];
  let committedIn: number | undefined;
  const end = () => {
    if (current.some(({ sql }) => /insert into appointment\b/.test(sql))) bookings.push(current);
    current = [];
    committedIn = undefined;
  };
  for (const statement of statements) {
    if (/^begin\b/.test(statement.sql) || (committedIn !== undefined && statement.flight !== committedIn)) end();
    current.push(statement);
    if (statement.sql === 'commit') committedIn = statement.flight;
  }
  end();
  return bookings;
}

const mentions = ({ parameters }: Recorded, id: string): boolean => parameters.includes(id);

/** Texts and flights; the first use of a text is recorded like the later ones. */
const sameTexts = (a: readonly Recorded[], b: readonly Recorded[]): boolean =>
  JSON.stringify(a.map(({ sql }) => sql)) === JSON.stringify(b.map(({ sql }) => sql));

const anyUuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Ids that every one of the bookings carries. */
function sameIdsOf(
  { tenantId }: Run,
  booking: readonly Recorded[],
  all: readonly (readonly Recorded[])[],
): ReadonlySet<string> {
  const idsOf = (statements: readonly Recorded[]) =>
    new Set(
      statements.flatMap(({ parameters }) =>
        parameters.flatMap((value) => (typeof value === 'string' ? (value.match(anyUuid) ?? []) : [])),
      ),
    );
  const sets = all.map(idsOf);
  return new Set([tenantId, ...[...idsOf(booking)].filter((id) => sets.every((each) => each.has(id)))]);
}

function choicesOf(clinics: readonly Clinic[]): ReadonlyMap<string, Choice> {
  const triples = clinics.flatMap((clinic) => clinic.triples);
  const choices: readonly Choice[] = [
    { index: 'clinic', ids: clinics.map(({ locationId }) => locationId) },
    { index: 'clinic', ids: clinics.map(({ serviceId }) => serviceId) },
    { index: 'triple_of_all', ids: triples.map(({ providerId }) => providerId) },
    { index: 'triple_of_all', ids: triples.map(({ roomId }) => roomId) },
    { index: 'triple_of_all', ids: triples.map(({ deviceId }) => deviceId) },
  ];
  return new Map(choices.flatMap((choice) => choice.ids.map((id) => [id, choice] as const)));
}

/** PostgreSQL says itself of which type each parameter is. */
async function withTypes({ stack, server, database }: Run, statements: readonly Recorded[]) {
  const postgres = stack.cluster.servers[server];
  if (postgres === undefined) throw new Error(`there is no server ${server}`);
  return postgres.asSuperuser(async (client) => {
    const typed: TypedStatement[] = [];
    for (const [n, statement] of statements.entries()) {
      if (statement.parameters.length > 0) await client.query(`prepare recorded_${n} as ${statement.sql}`);
      const { rows } = await client.query<{ types: string[] }>(
        'select parameter_types::text[] as types from pg_prepared_statements where name = $1',
        [`recorded_${n}`],
      );
      typed.push({ ...statement, types: rows[0]?.types ?? [] });
    }
    return typed;
  }, database);
}
