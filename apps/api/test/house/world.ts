import { generateKeyPairSync, randomInt } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { parseConfig } from '#infra/config';
import { Readiness } from '#infra/health';
import { Identity, type InvitationId, Invitations, type StaffRole, Users } from '#infra/identity';
import { newId, type TenantContext } from '#infra/kernel';
import { createLog } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { createApp } from '../../src/app.js';
import { apiSlices } from '../../src/settings.js';

export interface Call {
  readonly method: string;
  /** Template of the OpenAPI document: `/api/v1/locations/{locationId}`. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly token?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every route pass through here
  readonly json: any;
}

/** The whole API on two shards and a replica, in this process, with everything that it writes to its log. */
export class Api {
  private constructor(
    readonly db: TestDatabases,
    readonly app: NestFastifyApplication,
    readonly logLines: string[],
  ) {}

  static async start(env: Readonly<Record<string, string>> = {}): Promise<Api> {
    const privateKey = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const db = await openTestDatabases({ env: { TOKEN_SIGNING_KEY: privateKey, DRAIN_WAIT: '0', ...env } });
    const settings = parseConfig(apiSlices, { ...db.env, LOG_LEVEL: 'debug', ...env });
    const logLines: string[] = [];
    const to = { write: (line: string) => void logLines.push(line) };
    const app = await createApp(settings, { log: createLog(settings.telemetry, { app: 'api', version: '0', to }) });
    await app.getHttpAdapter().getInstance().ready();
    app.get(Readiness).markStarted();
    return new Api(db, app, logLines);
  }

  async call({ method, path, params = {}, query = {}, headers = {}, body, token }: Call): Promise<Answer> {
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
    const search = new URLSearchParams(query).toString();
    const answer = await this.app.inject({
      method: method as 'GET',
      url: search === '' ? filled : `${filled}?${search}`,
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    const isJson = String(answer.headers['content-type'] ?? '').includes('json');
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: answer.body,
      json: isJson ? JSON.parse(answer.body) : null,
    };
  }

  /** A call that must succeed. */
  async must(call: Call): Promise<Answer> {
    const answer = await this.call(call);
    if (answer.status >= 300) throw new Error(`${call.method} ${call.path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.db.close();
  }
}

export const password = 'eleven-quiet-herons';

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly token: string;
  readonly sessionId: string;
}

/** A tenant with one of everything that a route can name. */
export interface Side {
  readonly ctx: TenantContext;
  readonly slug: string;
  readonly owner: Person;
  readonly locationId: string;
  readonly serviceId: string;
  readonly resourceIds: Readonly<Record<'provider' | 'room' | 'device', string>>;
  readonly appointmentId: string;
  readonly blockId: string;
  readonly patientId: string;
  readonly memberId: string;
  readonly cardId: string;
  readonly colleague: Person;
}

export const slotAt = (hour: number, minute = 0, day = '2027-03-02'): string =>
  `${day}T${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}:00Z`;

export async function makeSide(api: Api, shardId: string): Promise<Side> {
  const ctx = await api.db.newTenant({ shardId });
  const { slug } = await api.db.sharding.tenants.byId(ctx.tenant.id);
  const email = `owner@${slug}.example`;
  await api.app.get(Users).createOwner(ctx, { email, displayName: 'Owner', password });
  const owner = await login(api, slug, email);
  const { token } = owner;
  const post = async (path: string, body: unknown, params: Record<string, string> = {}) =>
    (await api.must({ method: 'POST', path, params, body, token, headers: { 'idempotency-key': newId() } })).json;
  const location = await post('/api/v1/locations', { name: 'Main', tz: 'UTC' });
  const service = await post('/api/v1/services', newService('Visit'));
  const resourceIds = { provider: '', room: '', device: '' };
  for (const kind of ['provider', 'room', 'device'] as const) {
    const resource = await post('/api/v1/resources', { locationId: location.id, kind, name: kind });
    resourceIds[kind] = resource.id;
    const params = { resourceId: resource.id, serviceId: service.id };
    await api.must({ method: 'PUT', path: '/api/v1/resources/{resourceId}/services/{serviceId}', params, token });
  }
  await putSchedule(api, token, resourceIds.provider);
  const block = await post(
    '/api/v1/resources/{resourceId}/blocks',
    { start: slotAt(22), end: slotAt(23) },
    { resourceId: resourceIds.device },
  );
  const side = { ctx, slug, owner, locationId: location.id, serviceId: service.id, resourceIds, blockId: block.id };
  const visit = await post('/api/v1/appointments', booking(side, slotAt(0)));
  const patient = await post('/api/v1/patients', sharedPatient);
  const member = await post('/api/v1/members', newMember());
  const card = await post('/api/v1/members/{memberId}/cards', {}, { memberId: member.id });
  return {
    ...side,
    appointmentId: visit.id,
    patientId: patient.id,
    memberId: member.id,
    cardId: card.id,
    colleague: await join(api, ctx, slug, ['auditor']),
  };
}

export const newService = (name: string) => ({
  name,
  durationMin: 30,
  segments: ['provider', 'room', 'device'].map((kind) => ({ kind, offsetMin: 0, durationMin: 30 })),
  horizonDays: 365,
});

/** Registered with both tenants, so that a search which crossed the border would show it. */
export const sharedPatient = { family: 'Castellanos', given: 'Beatriz', birthDate: '1961-03-14' };
/** Somebody whom nobody else of a run could be taken for. */
export const newPatient = () => ({ family: letters(12), given: letters(12) });
const letters = (count: number) =>
  Array.from({ length: count }, () => String.fromCharCode(97 + randomInt(26))).join('');

/** A passport number that nobody else of a run has. */
const newIdNumber = () => `P${newId().replaceAll('-', '').slice(-16)}${randomInt(10)}`;
export const newMember = (idNumber = newIdNumber()) => ({
  name: { given: 'Member', family: 'Sample' },
  idScheme: 'generic',
  idNumber,
  membership: { from: '2020-01-01', tz: 'Africa/Johannesburg' },
});

export const booking = (side: Pick<Side, 'serviceId' | 'locationId' | 'resourceIds'>, start: string) => ({
  serviceId: side.serviceId,
  locationId: side.locationId,
  providerId: side.resourceIds.provider,
  start,
  client: { name: 'Client' },
});

/** Open around the clock, every day. */
export const openAlways = {
  schedules: [
    {
      validFrom: '2020-01-01',
      validTo: null,
      rules: [1, 2, 3, 4, 5, 6, 7].map((weekday) => ({ weekday, opens: '00:00', closes: '24:00' })),
    },
  ],
};

async function putSchedule(api: Api, token: string, resourceId: string): Promise<void> {
  const path = '/api/v1/resources/{resourceId}/schedule';
  const params = { resourceId };
  const { headers } = await api.must({ method: 'GET', path, params, token });
  await api.must({
    method: 'PUT',
    path,
    params,
    token,
    body: openAlways,
    headers: { 'if-match': String(headers.etag) },
  });
}

export async function login(api: Api, slug: string, email: string): Promise<Person> {
  const body = { tenant: slug, email, password };
  const { json } = await api.must({ method: 'POST', path: '/api/v1/auth/login', body });
  return { id: json.user.id, email, token: json.accessToken, sessionId: json.sessionId };
}

/** The token of the link that the invitation's mail carries. */
export async function invitationToken(api: Api, ctx: TenantContext, email: string, roles: readonly StaffRole[]) {
  const { userId, invitationId } = await api.app.get(Invitations).invite(ctx, { email, roles });
  const letter = await api.app.get(Identity).mail(ctx, 'invitation', invitationId as InvitationId);
  const token = tokenIn(letter?.text ?? '');
  return { userId, token };
}

export const tokenIn = (text: string): string => /#token=(\S+)/.exec(text)?.[1] ?? '';

/** A colleague, from the invitation to the login. */
export async function join(api: Api, ctx: TenantContext, slug: string, roles: readonly StaffRole[]): Promise<Person> {
  const email = `colleague-${newId().slice(-8)}@${slug}.example`;
  const { token } = await invitationToken(api, ctx, email, roles);
  await api.must({
    method: 'POST',
    path: '/api/v1/auth/invitations/accept',
    body: { token, password, displayName: 'Colleague' },
  });
  return login(api, slug, email);
}
