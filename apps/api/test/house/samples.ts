import { Identity, PasswordResets } from '#infra/identity';
import { newId } from '#infra/kernel';
import { analyticsSamples } from './analytics-samples.js';
import { catalogueSamples } from './catalogue-samples.js';
import { memberSamples } from './member-samples.js';
import { operationsSamples } from './operations-samples.js';
import { quotasSamples } from './quotas-samples.js';
import { reconciliationSamples } from './reconciliation-samples.js';
import {
  type Api,
  booking,
  type Call,
  invitationToken,
  join,
  login,
  newPatient,
  newService,
  openAlways,
  password,
  type Side,
  sharedPatient,
  slotAt,
  tokenIn,
} from './world.js';

/** What a route is called with besides its method and path; made anew for each call, for this tenant, so that it succeeds. */
type Sample = Omit<Call, 'method' | 'path'>;
type MakeSample = (api: Api, side: Side) => Promise<Sample> | Sample;

const owned =
  (sample: (side: Side) => Sample): MakeSample =>
  (_, side) => ({ token: side.owner.token, ...sample(side) });
const plain = owned(() => ({}));
const ifMatch = (version: number) => ({ 'if-match': `"v${version}"` });

let minutes = 0;
/** A start that no other sample of this run takes. */
const freshSlot = (): string => {
  minutes += 30;
  const day = 3 + Math.floor(minutes / 1_200);
  return slotAt(Math.floor((minutes % 1_200) / 60), minutes % 60, `2027-03-${String(day).padStart(2, '0')}`);
};

async function freshVisit(api: Api, side: Side): Promise<string> {
  const { json } = await api.must({
    method: 'POST',
    path: '/api/v1/appointments',
    token: side.owner.token,
    headers: { 'idempotency-key': newId() },
    body: booking(side, freshSlot()),
  });
  return json.id;
}

const colleagueOf = (api: Api, { ctx, slug }: Side) => join(api, ctx, slug, ['billing']);
const versionOf = async (api: Api, side: Side, path: string, params: Record<string, string>): Promise<number> =>
  (await api.must({ method: 'GET', path, params, token: side.owner.token })).json.version;

async function onLocation(api: Api, side: Side, body: unknown): Promise<Sample> {
  const params = { locationId: side.locationId };
  const version = await versionOf(api, side, '/api/v1/locations/{locationId}', params);
  return { token: side.owner.token, params, headers: ifMatch(version), body };
}
async function onService(api: Api, side: Side, body: unknown): Promise<Sample> {
  const params = { serviceId: side.serviceId };
  const version = await versionOf(api, side, '/api/v1/services/{serviceId}', params);
  return { token: side.owner.token, params, headers: ifMatch(version), body };
}
async function onProvider(api: Api, side: Side, body: unknown): Promise<Sample> {
  const params = { resourceId: side.resourceIds.provider };
  const version = await versionOf(api, side, '/api/v1/resources/{resourceId}', params);
  return { token: side.owner.token, params, headers: ifMatch(version), body };
}
async function onColleague(api: Api, side: Side, body?: unknown): Promise<Sample> {
  const { id } = await colleagueOf(api, side);
  const version = await versionOf(api, side, '/api/v1/users/{userId}', { userId: id });
  return { token: side.owner.token, params: { userId: id }, headers: ifMatch(version), body };
}

async function freshPatient(api: Api, side: Side): Promise<Record<'patientId', string>> {
  const { token } = side.owner;
  const { json } = await api.must({ method: 'POST', path: '/api/v1/patients', token, body: newPatient() });
  return { patientId: json.id };
}

const provider = (side: Side) => ({ resourceId: side.resourceIds.provider });
const override = (side: Side) => ({ ...provider(side), date: '2027-06-01' });
async function newSkill(api: Api, side: Side): Promise<Sample> {
  const { token } = side.owner;
  const { json } = await api.must({ method: 'POST', path: '/api/v1/services', token, body: newService('Skill') });
  return { token, params: { ...provider(side), serviceId: json.id } };
}
const freshBlock = () => {
  const start = freshSlot().replace('2027-03', '2027-05');
  return { start, end: start.replace(/:(\d)\d:00Z$/, ':$19:00Z') };
};
const range = { from: '2027-03-02', to: '2027-03-03' };

/** One for every operation of the document, by its operationId; a route without one fails the laws. */
export const samples: Readonly<Record<string, MakeSample>> = {
  HealthController_live: () => ({}),
  HealthController_startup: () => ({}),
  HealthController_ready: () => ({}),
  HealthController_readyBriefly: () => ({}),
  HealthController_readyUnderBase: () => ({}),

  AuthController_login: (_, side) => ({ body: { tenant: side.slug, email: side.owner.email, password } }),
  AuthController_refresh: async (api, side) => {
    const body = { tenant: side.slug, email: side.owner.email, password };
    const { json } = await api.must({ method: 'POST', path: '/api/v1/auth/login', body });
    return { body: { refreshToken: json.refreshToken } };
  },
  AuthController_logout: async (api, side) => ({ token: (await colleagueOf(api, side)).token }),
  AuthController_accept: async (api, side) => {
    const { token } = await invitationToken(api, side.ctx, `new-${newId()}@x.example`, ['billing']);
    return { body: { token, password, displayName: 'Newcomer' } };
  },
  AuthController_requestReset: (_, side) => ({ body: { tenant: side.slug, email: side.colleague.email } }),
  AuthController_confirmReset: async (api, side) => {
    const { email } = await colleagueOf(api, side);
    await api.app.get(PasswordResets).request({ ...side.ctx }, { tenant: side.slug, email });
    const [row] = await api.db.asAdmin<{ id: string }>(
      'directory',
      'select id from password_reset where tenant_id = $1 order by id desc limit 1',
      [side.ctx.tenant.id],
    );
    const letter = await api.app.get(Identity).mail(side.ctx, 'password_reset', row?.id as never);
    return { body: { token: tokenIn(letter?.text ?? ''), newPassword: 'twelve-loud-geese' } };
  },

  SessionsController_listOwn: plain,
  SessionsController_revokeOwn: async (api, side) => {
    const { sessionId } = await login(api, side.slug, side.owner.email);
    return { token: side.owner.token, params: { sessionId } };
  },
  SessionsController_list: owned((side) => ({ params: { userId: side.colleague.id } })),
  SessionsController_revoke: async (api, side) => {
    const { id, sessionId } = await colleagueOf(api, side);
    return { token: side.owner.token, params: { userId: id, sessionId } };
  },

  UsersController_list: plain,
  UsersController_invite: owned(() => ({ body: { email: `asked-${newId()}@x.example`, roles: ['billing'] } })),
  UsersController_me: plain,
  UsersController_read: owned((side) => ({ params: { userId: side.colleague.id } })),
  UsersController_changeRoles: (api, side) => onColleague(api, side, { roles: ['nurse'] }),
  UsersController_disable: (api, side) => onColleague(api, side),
  UsersController_enable: async (api, side) => {
    const sample = await onColleague(api, side);
    const disabled = await api.must({ method: 'POST', path: '/api/v1/users/{userId}/disable', ...sample });
    return { ...sample, headers: ifMatch(disabled.json.version) };
  },

  LocationsController_list: plain,
  LocationsController_create: owned(() => ({ body: { name: 'Other', tz: 'America/New_York' } })),
  LocationsController_get: owned((side) => ({ params: { locationId: side.locationId } })),
  LocationsController_change: (api, side) => onLocation(api, side, { name: 'Renamed' }),

  ServicesController_list: plain,
  ServicesController_create: owned(() => ({ body: newService('Another') })),
  ServicesController_get: owned((side) => ({ params: { serviceId: side.serviceId } })),
  ServicesController_change: (api, side) => onService(api, side, { name: 'Renamed' }),

  ResourcesController_list: owned((side) => ({ query: { locationId: side.locationId } })),
  ResourcesController_create: owned((side) => ({ body: { locationId: side.locationId, kind: 'room', name: 'More' } })),
  ResourcesController_get: owned((side) => ({ params: provider(side) })),
  ResourcesController_change: (api, side) => onProvider(api, side, { name: 'Renamed' }),
  ResourcesController_skills: owned((side) => ({ params: provider(side) })),
  ResourcesController_addSkill: newSkill,
  ResourcesController_removeSkill: async (api, side) => {
    const sample = await newSkill(api, side);
    await api.must({ method: 'PUT', path: '/api/v1/resources/{resourceId}/services/{serviceId}', ...sample });
    return sample;
  },

  CalendarsController_schedule: owned((side) => ({ params: provider(side) })),
  CalendarsController_putSchedule: (api, side) => onProvider(api, side, openAlways),
  CalendarsController_overrides: owned((side) => ({ params: provider(side), query: range })),
  CalendarsController_putOverride: owned((side) => ({
    params: override(side),
    body: { open: [{ opens: '09:00', closes: '12:00' }] },
  })),
  CalendarsController_deleteOverride: async (api, side) => {
    const sample = { token: side.owner.token, params: override(side) };
    const path = '/api/v1/resources/{resourceId}/overrides/{date}';
    await api.must({ method: 'PUT', path, ...sample, body: { open: [] } });
    return sample;
  },
  CalendarsController_blocks: owned((side) => ({ params: provider(side) })),
  CalendarsController_createBlock: owned((side) => ({
    params: { resourceId: side.resourceIds.device },
    body: freshBlock(),
    headers: { 'idempotency-key': newId() },
  })),
  CalendarsController_deleteBlock: async (api, side) => {
    const params = { resourceId: side.resourceIds.device };
    const path = '/api/v1/resources/{resourceId}/blocks';
    const { json } = await api.must({ method: 'POST', path, token: side.owner.token, params, body: freshBlock() });
    return { token: side.owner.token, params: { ...params, blockId: json.id } };
  },

  ...memberSamples,
  ...reconciliationSamples,
  ...operationsSamples,
  ...quotasSamples,
  ...analyticsSamples,
  ...catalogueSamples,

  BatchController_run: owned(() => ({ body: { requests: [{ method: 'GET', path: '/api/v1/services' }] } })),

  PatientsController_list: plain,
  PatientsController_create: owned(() => ({ headers: { 'idempotency-key': newId() }, body: newPatient() })),
  PatientsController_search: owned(() => ({ body: sharedPatient })),
  PatientsController_get: owned((side) => ({ params: { patientId: side.patientId } })),
  PatientsController_update: async (api, side) => ({
    token: side.owner.token,
    params: await freshPatient(api, side),
    headers: ifMatch(1),
    body: { phone: '+1 604 555 0134' },
  }),
  NotesController_list: owned((side) => ({ params: { patientId: side.patientId } })),
  NotesController_write: owned((side) => ({ params: { patientId: side.patientId }, body: { text: 'Seen again.' } })),
  NotesController_amend: owned((side) => ({
    params: { patientId: side.patientId, noteId: side.noteId },
    body: { text: 'Seen yesterday, not today.' },
  })),
  PatientVersionsController_list: owned((side) => ({ params: { patientId: side.patientId } })),
  PatientVersionsController_get: owned((side) => ({ params: { patientId: side.patientId, version: '1' } })),
  PatientVersionsController_restore: async (api, side) => {
    const { token } = side.owner;
    const params = await freshPatient(api, side);
    const path = '/api/v1/patients/{patientId}';
    await api.must({ method: 'PATCH', path, params, token, headers: ifMatch(1), body: { sex: 'other' } });
    return { token, params: { ...params, version: '1' }, headers: ifMatch(2) };
  },

  AvailabilityController_find: owned((side) => ({
    query: { serviceId: side.serviceId, locationId: side.locationId, providerId: side.resourceIds.provider, ...range },
  })),
  AppointmentsController_list: owned((side) => ({
    query: { locationId: side.locationId, resourceId: side.resourceIds.provider },
  })),
  AppointmentsController_book: owned((side) => ({
    headers: { 'idempotency-key': newId() },
    body: booking(side, freshSlot()),
  })),
  AppointmentsController_get: owned((side) => ({ params: { appointmentId: side.appointmentId } })),
  AppointmentsController_history: owned((side) => ({ params: { appointmentId: side.appointmentId } })),
  AppointmentsController_reschedule: async (api, side) => ({
    token: side.owner.token,
    params: { appointmentId: await freshVisit(api, side) },
    headers: ifMatch(1),
    body: { start: freshSlot(), providerId: side.resourceIds.provider },
  }),
  AppointmentsController_cancel: async (api, side) => ({
    token: side.owner.token,
    params: { appointmentId: await freshVisit(api, side) },
    headers: ifMatch(1),
    body: {},
  }),
};
