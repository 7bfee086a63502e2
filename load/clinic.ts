import type { ApiClient } from './api-client.js';

/** Who and what one visit takes. Triples share nothing: as many visits can begin at once as there are triples. */
export interface Triple {
  readonly providerId: string;
  readonly roomId: string;
  readonly deviceId: string;
}

export interface Clinic {
  readonly locationId: string;
  readonly serviceId: string;
  /** Minutes between two starts, and the length of a visit. */
  readonly stepMin: number;
  readonly triples: readonly Triple[];
}

export interface ClinicPlan {
  readonly name: string;
  readonly triples: number;
  readonly stepMin: number;
}

interface Made {
  readonly id: string;
  readonly version: number;
}

/** The most that the API takes. */
export const horizonDays = 730;
const kinds = ['provider', 'room', 'device'] as const;
const everyDay = [1, 2, 3, 4, 5, 6, 7].map((weekday) => ({ weekday, opens: '00:00', closes: '24:00' }));
const roundTheClock = { schedules: [{ validFrom: '2000-01-01', rules: everyDay }] };

/**
 * A clinic through the REST API, in UTC, open round the clock: `triples` times a provider, a room and a device, and one
 * service that takes one of each for `stepMin` minutes and starts every `stepMin` minutes.
 */
export async function makeClinic(api: ApiClient, { name, triples, stepMin }: ClinicPlan): Promise<Clinic> {
  const location = await api.call<Made>('POST', '/locations', { name, tz: 'Etc/UTC' });
  const service = await api.call<Made>('POST', '/services', {
    name: `${name} treatment`,
    durationMin: stepMin,
    segments: kinds.map((kind) => ({ kind, offsetMin: 0, durationMin: stepMin })),
    grid: { stepMin, anchor: 'midnight' },
    noticeMin: 0,
    horizonDays,
  });
  const made: Triple[] = [];
  for (let n = 1; n <= triples; n += 1) made.push(await makeTriple(api, location.id, service.id, n));
  return { locationId: location.id, serviceId: service.id, stepMin, triples: made };
}

async function makeTriple(api: ApiClient, locationId: string, serviceId: string, n: number): Promise<Triple> {
  const make = async (kind: (typeof kinds)[number]): Promise<string> => {
    const { id, version } = await api.call<Made>('POST', '/resources', { locationId, kind, name: `${kind} ${n}` });
    await api.call('PUT', `/resources/${id}/schedule`, roundTheClock, { 'if-match': `"v${version}"` });
    await api.call('PUT', `/resources/${id}/services/${serviceId}`);
    return id;
  };
  return { providerId: await make('provider'), roomId: await make('room'), deviceId: await make('device') };
}

/** The body of a booking at a minute since 1970. Whoever is free takes it. */
export const bookingBody = ({ serviceId, locationId }: Clinic, startMin: number): string =>
  JSON.stringify({ serviceId, locationId, start: instantText(startMin), client: { name: 'Load Client' } });

export const instantText = (minute: number): string => new Date(minute * 60_000).toISOString();

/** The first UTC midnight that is at least this many days away, as a minute since 1970. */
export const midnightIn = (days: number): number => (Math.floor(Date.now() / 86_400_000) + 1 + days) * 1_440;

/** Free starts of a UTC day, as the API offers them now. */
export async function freeStarts(api: ApiClient, clinic: Clinic, dayMin: number): Promise<readonly string[]> {
  const day = instantText(dayMin).slice(0, 10);
  const { serviceId, locationId } = clinic;
  const query = new URLSearchParams({ serviceId, locationId, from: day, to: day });
  const found = await api.call<{ days: Record<string, { start: string }[]> }>('GET', `/availability?${query}`);
  return (found.days[day] ?? []).map(({ start }) => new Date(start).toISOString());
}
