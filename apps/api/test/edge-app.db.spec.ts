import { generateKeyPairSync } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import fc from 'fast-check';
import { parseConfig } from '#infra/config';
import { Readiness } from '#infra/health';
import { Users } from '#infra/identity';
import { newId } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { createApp } from '../src/app.js';
import { apiSlices } from '../src/settings.js';
import { fromSchema, type JsonSchema } from './edge-arbitrary.js';

interface Operation {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly permission: string;
  readonly body: JsonSchema | undefined;
}

const password = 'seven otters left early';
const methods = new Set(['get', 'put', 'post', 'patch', 'delete']);
const bodiesPerOperation = 60;
const firstBug = 500;

describe('the whole API behind its door', () => {
  let databases: TestDatabases;
  let app: NestFastifyApplication;
  let token: string;
  let operations: readonly Operation[];
  beforeAll(async () => {
    databases = await openTestDatabases();
    const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const environment = { ...databases.env, TOKEN_SIGNING_KEY: key, DRAIN_WAIT: '0', ENABLE_RATE_LIMITING: 'false' };
    app = await createApp(parseConfig(apiSlices, environment));
    app.get(Readiness).markStarted();
    token = await loginAsOwner();
    operations = operationsOf((await app.inject('/openapi.json')).json());
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    await databases.close();
  });

  async function loginAsOwner(): Promise<string> {
    const ctx = await databases.newTenant({ plan: 'ENTERPRISE' });
    const { slug } = await databases.sharding.tenants.byId(ctx.tenant.id);
    await app.get(Users).createOwner(ctx, { email: 'owner@harbor.example', displayName: 'Inès Moreau', password });
    const answer = await app.inject({
      method: 'POST',
      url: '/api/v1/auth/login',
      payload: { tenant: slug, email: 'owner@harbor.example', password },
    });
    return answer.json().accessToken;
  }

  const url = ({ path }: Operation, id: () => string = newId) =>
    path.replace('{date}', '2026-12-01').replace(/\{[^}]+\}/g, () => id());
  const asOwner = () => ({ authorization: `Bearer ${token}`, 'if-match': '"v1"', 'idempotency-key': newId<string>() });

  it('is ready once it has started, on real databases and a real Redis', async () => {
    const { statusCode, body } = await app.inject('/health/ready');
    expect([statusCode, JSON.parse(body).status]).toEqual([200, 'ok']);
  });

  it('lets nobody in without a token but where the document says public', async () => {
    const closed = operations.filter(({ permission }) => permission !== 'public');
    expect(closed.length).toBeGreaterThan(20);
    for (const operation of closed)
      for (const headers of [{}, { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' }]) {
        const { statusCode } = await app.inject({ method: operation.method, url: url(operation), headers });
        expect([operation.method, operation.path, statusCode]).toEqual([operation.method, operation.path, 401]);
      }
  });

  it('what anybody may call is a short list, and every name in it was meant', () => {
    const open = operations.filter(({ permission }) => permission === 'public').map(({ path }) => path);
    expect(open.sort()).toEqual([
      '/api/v1/auth/invitations/accept',
      '/api/v1/auth/login',
      '/api/v1/auth/password-reset',
      '/api/v1/auth/password-reset/confirm',
      '/api/v1/auth/refresh',
      '/api/v1/cards/verify',
      '/api/v1/catalogues/{slug}/locations',
      '/api/v1/catalogues/{slug}/services',
      '/api/v1/health',
      '/health',
      '/health/live',
      '/health/ready',
      '/health/startup',
    ]);
  });

  it('[D-062] no body, right or wrong, makes any route fail, and unknown properties are refused by all', async () => {
    const withBody = operations.filter(({ body, path }) => body !== undefined && !path.startsWith('/api/v1/auth/'));
    expect(withBody.length).toBeGreaterThan(5);
    const statuses = new Set<number>();
    for (const operation of withBody) {
      const send = (payload: unknown) =>
        app.inject({
          method: operation.method,
          url: url(operation),
          headers: { ...asOwner(), 'content-type': 'application/json' },
          payload: JSON.stringify(payload) ?? 'undefined',
        });
      const unknown = await send({ colourOfTheSky: 'blue' });
      expect([operation.path, unknown.statusCode]).toEqual([operation.path, 422]);
      await fc.assert(
        fc.asyncProperty(fromSchema(operation.body as JsonSchema), async (body) => {
          const { statusCode } = await send(body);
          statuses.add(statusCode);
          return statusCode < firstBug;
        }),
        { numRuns: bodiesPerOperation },
      );
    }
    // Some bodies must have got through, or only the schemas were tried.
    expect([...statuses]).toEqual(expect.arrayContaining([201, 404, 422]));
  }, 300_000);

  it('no path and no query makes any route fail', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).map(encodeText);
    for (const operation of operations.filter(({ method }) => method === 'GET'))
      await fc.assert(
        fc.asyncProperty(text, fc.boolean(), text, async (id, isRight, query) => {
          const path = url(operation, () => (isRight ? newId<string>() : id));
          const names = ['limit', 'cursor', 'from', 'to', 'date', 'locationId', 'serviceId'];
          const search = names.map((name) => `${name}=${query}`).join('&');
          const answers = await Promise.all([
            app.inject({ method: 'GET', url: path, headers: asOwner() }),
            app.inject({ method: 'GET', url: `${path}?${search}`, headers: asOwner() }),
          ]);
          return answers.every(({ statusCode }) => statusCode < firstBug);
        }),
        { numRuns: 20 },
      );
  }, 120_000);
});

/** Percent-encoding that also takes lone surrogates, which encodeURIComponent refuses. */
const encodeText = (text: string): string =>
  [...Buffer.from(text, 'utf8')].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
}
interface OperationObject {
  readonly 'x-permission': string;
  readonly requestBody?: { readonly content: { readonly 'application/json'?: { readonly schema: JsonSchema } } };
}

const operationsOf = ({ paths }: Document): Operation[] =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => methods.has(method))
      .map(([method, operation]) => ({
        method: method.toUpperCase() as Operation['method'],
        path,
        permission: operation['x-permission'],
        body: operation.requestBody?.content['application/json']?.schema,
      })),
  );
