import { newId } from '#infra/kernel';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

const clinic = 'https://clinic.example';
const security = [
  'content-security-policy',
  'strict-transport-security',
  'x-content-type-options',
  'x-frame-options',
  'referrer-policy',
  'permissions-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'cache-control',
];
const constant = {
  'strict-transport-security': 'max-age=63072000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};
const ofJson = {
  ...constant,
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};
const ofDocs = {
  ...constant,
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cache-control': 'no-cache',
};

describe('headers of every answer', () => {
  const reader = person(['things.read']);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({
      controllers: [ThingsController],
      people: [reader],
      environment: { CORS_ORIGINS: `${clinic},http://localhost:4200` },
    });
  });
  afterAll(() => edge.app.close());

  const securityOf = async (url: string, headers: Record<string, string> = {}) => {
    const answer = await edge.app.inject({ method: 'GET', url, headers });
    return Object.fromEntries(security.map((name) => [name, answer.headers[name]]));
  };

  it('[D-061] CSP, HSTS, nosniff, frame-ancestors and referrer policy stand on JSON and on the pages of the docs', async () => {
    expect(await securityOf('/api/v1/things/small', bearer(reader))).toEqual(ofJson);
    expect(await securityOf('/docs')).toEqual(ofDocs);
  });

  it('they stand on refusals too, whoever refuses', async () => {
    expect(await securityOf('/api/v1/things')).toEqual(ofJson);
    expect(await securityOf('/nowhere')).toEqual(ofJson);
    expect(await securityOf('/api/v1/%zz')).toEqual(ofJson);
    expect(await securityOf(`/api/v1/things/named/${'a'.repeat(501)}`)).toEqual(ofJson);
  });

  it('[D-060] a page of an unknown origin gets no Access-Control-Allow-Origin; the list comes from CORS_ORIGINS', async () => {
    const allowed = async (origin: string) => {
      const answer = await edge.app.inject({
        method: 'GET',
        url: '/api/v1/things/small',
        headers: { ...bearer(reader), origin },
      });
      return answer.headers['access-control-allow-origin'];
    };
    expect(await allowed(clinic)).toBe(clinic);
    expect(await allowed('http://localhost:4200')).toBe('http://localhost:4200');
    for (const unknown of ['https://evil.example', `${clinic}.evil.example`, 'http://clinic.example', 'null'])
      expect(await allowed(unknown)).toBeUndefined();

    const closed = await startEdge({ controllers: [ThingsController], people: [reader] });
    const answer = await closed.app.inject({ method: 'GET', url: '/api/v1/things/small', headers: { origin: clinic } });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    await closed.app.close();
  });

  it('a preflight names what may be sent, without credentials, and needs no login', async () => {
    const answer = await edge.app.inject({
      method: 'OPTIONS',
      url: `/api/v1/things/${newId()}`,
      headers: { origin: clinic, 'access-control-request-method': 'PATCH' },
    });
    expect(answer.statusCode).toBe(204);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': clinic,
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers':
        'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Consistency-Token, X-Request-Id',
    });
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
  });

  it.each(['*', 'clinic.example', 'https://clinic.example/', 'ftp://clinic.example'])(
    'CORS_ORIGINS does not take %s',
    async (origin) => {
      await expect(startEdge({ controllers: [], environment: { CORS_ORIGINS: origin } })).rejects.toThrow(
        'CORS_ORIGINS',
      );
    },
  );
});
