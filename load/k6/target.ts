import type { RefinedParams, ResponseType } from 'k6/http';

/** What the scenarios run against, from `k6 run -e NAME=value`; `npm run bench -- k6` gives all of it. */
export const target = {
  /** Where clients come in: `http://127.0.0.1:8080`. */
  url: needed('BASE_URL'),
  /** An access token of somebody who may do everything; it must outlive the run. */
  token: __ENV.TOKEN ?? '',
  /** A member to look up. */
  idScheme: __ENV.ID_SCHEME ?? 'generic',
  idNumber: __ENV.ID_NUMBER ?? '',
  /** What the QR code of the member's card says. */
  scan: __ENV.SCAN ?? '',
  locationId: __ENV.LOCATION_ID ?? '',
  serviceId: __ENV.SERVICE_ID ?? '',
  /** A service with a free start every `stepMin` minutes from here on, an instant in milliseconds. */
  firstStartMs: Number(__ENV.FIRST_START_MS ?? 0),
  stepMin: Number(__ENV.STEP_MIN ?? 15),
};

/** Part of the size that a scenario has: 0.1 is a tenth of its requests in the same time. */
export const scale = Number(__ENV.SCALE ?? 1);
export const scaled = (n: number): number => Math.max(1, Math.round(n * scale));

function needed(name: string): string {
  const value = __ENV[name];
  if (!value) throw new Error(`say where the product answers: k6 run -e ${name}=http://127.0.0.1:8080 …`);
  return value.replace(/\/$/, '');
}

/** `name`: the route as one word for all of its URLs. */
export const asStaff = (name: string, headers: Readonly<Record<string, string>> = {}): RefinedParams<ResponseType> => ({
  headers: { 'content-type': 'application/json', authorization: `Bearer ${target.token}`, ...headers },
  tags: { name },
});

/** A booking of the n-th free start; whoever is free takes it. */
export const bookingBody = (n: number): string =>
  JSON.stringify({
    serviceId: target.serviceId,
    locationId: target.locationId,
    start: new Date(target.firstStartMs + n * target.stepMin * 60_000).toISOString(),
    client: { name: 'Load Client' },
  });
