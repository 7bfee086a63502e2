import { randomInt } from 'node:crypto';
import { Identity, type InvitationId, Invitations, type StaffRole, Users } from '#infra/identity';
import { newId, systemClock, type TenantContext } from '#infra/kernel';
import type { Api } from './api.js';
import { type Books, makeBooks } from './books.js';

export { type Answer, Api, type Call } from './api.js';

export const password = 'eleven-quiet-herons';

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly token: string;
  readonly sessionId: string;
}

/** A tenant with one of everything that a route can name. */
export interface Side extends Books {
  readonly ctx: TenantContext;
  readonly slug: string;
  readonly owner: Person;
  readonly locationId: string;
  readonly serviceId: string;
  readonly resourceIds: Readonly<Record<'provider' | 'room' | 'device', string>>;
  readonly appointmentId: string;
  readonly blockId: string;
  readonly patientId: string;
  readonly noteId: string;
  readonly memberId: string;
  readonly cardId: string;
  readonly colleague: Person;
}

export const slotAt = (hour: number, minute = 0, day = '2027-03-02'): string =>
  `${day}T${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}:00Z`;

/** A side serves a whole spec. */
const hourMs = 3_600_000;

export async function makeSide(api: Api, shardId: string): Promise<Side> {
  const ctx = { ...(await api.db.newTenant({ shardId })), deadline: systemClock.now() + hourMs };
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
  const note = await post('/api/v1/patients/{patientId}/notes', { text: 'Seen today.' }, { patientId: patient.id });
  const member = await post('/api/v1/members', newMember());
  const card = await post('/api/v1/members/{memberId}/cards', {}, { memberId: member.id });
  return {
    ...side,
    appointmentId: visit.id,
    patientId: patient.id,
    noteId: note.id,
    memberId: member.id,
    cardId: card.id,
    ...(await makeBooks(api, side)),
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
