// biome-ignore-all lint/suspicious/noTemplateCurlyInString: docker compose writes its variables so
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '#infra/config';
import { shardingConfig } from '#infra/sharding';
import { projectRoot } from '#infra/testing';
import { apiSlices } from '../apps/api/src/settings.js';
import { operatorConfig } from '../apps/cli/src/cli.config.js';
import { productSlices } from '../apps/cli/src/product.js';
import { gatewaySlices } from '../apps/websocket-gateway/src/settings.js';
import { workerSlices } from '../apps/worker/src/settings.js';
import {
  composeText,
  interpolate,
  limitsOf,
  networksOf,
  operatorsEnvironment,
  profiles,
  readCompose,
  type Service,
  servicesOf,
} from './deploy/compose.js';
import { makeSecretsFolder, withSecretsIn } from './deploy/secrets-folder.js';
import { type Slices, settingsOf } from './deploy/service-settings.js';

/** What each service of ours reads, from the app itself. */
const slicesOf: Readonly<Record<string, Slices>> = {
  api: apiSlices,
  'websocket-gateway': gatewaySlices,
  worker: workerSlices,
  migrate: { sharding: shardingConfig, operator: operatorConfig },
  praxis: { ...productSlices, operator: operatorConfig },
};
const ours = Object.keys(slicesOf);

let secrets: string;
beforeAll(() => {
  secrets = makeSecretsFolder();
});
afterAll(() => rmSync(secrets, { recursive: true }));

const full = servicesOf('tps100k');
const everything = readCompose(operatorsEnvironment('tps100k'));

describe('Interpolation', () => {
  it('is docker compose’s', () => {
    const given = { SET: 'x', EMPTY: '' };
    const text = '${SET} ${SET:-d} ${EMPTY} ${EMPTY:-d} ${EMPTY-d} ${NONE-d} ${NONE} $SET $${SET}';
    expect(interpolate(text, given)).toBe('x x  d  d  x ${SET}');
    expect(() => interpolate('${EMPTY:?why}', given)).toThrow('EMPTY is missing: why');
    expect(interpolate('${EMPTY?why}', given)).toBe('');
  });

  it('refuses to start without what only the operator knows', () => {
    for (const name of ['PRAXIS_VERSION', 'APP_URL', 'MAIL_FROM']) {
      const { [name]: _, ...rest } = operatorsEnvironment('tps100k');
      expect(() => readCompose(rest)).toThrow(`${name} is missing`);
    }
  });
});

describe('Every service', () => {
  const each = Object.entries(everything.services);

  it.each(each)('%s has an image with an exact tag', (_, { image }) => {
    expect(image).toMatch(/^[a-z0-9_./-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+\d*)?$/);
  });

  it.each(each)('%s has limits of processor and memory', (_, service) => {
    const { cpus, memoryBytes } = limitsOf(service);
    expect(cpus).toBeGreaterThan(0);
    expect(memoryBytes).toBeGreaterThan(0);
  });

  it('has a health check, unless it ends by itself or its image has nothing to ask with', () => {
    const without = each.filter(([, { healthcheck }]) => (healthcheck?.test ?? []).length === 0).map(([name]) => name);
    expect(without).toEqual(['migrate', 'praxis', 'redis-cluster-init', 'redis-exporter']);
  });

  it.each(each)('%s can do and write no more than it needs, restarts, and its log has an end', (name, service) => {
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.user).toMatch(/^[1-9]\d*:\d+$/);
    expect(service.restart).toBe(
      { migrate: 'on-failure:5', 'redis-cluster-init': 'on-failure:5', praxis: 'no' }[name] ?? 'unless-stopped',
    );
    expect(service.logging?.options).toEqual({ 'max-size': '20m', 'max-file': '5' });
  });

  it.each(each)('%s mounts only what is there', (_, { volumes = [], secrets: own = [] }) => {
    for (const volume of volumes) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('./')) expect([source, existsSync(join(projectRoot(), source))]).toEqual([source, true]);
      else if (!source.startsWith('/')) expect(Object.keys(everything.volumes)).toContain(source);
    }
    for (const secret of own) {
      expect(everything.secrets[secret]?.file).toMatch(new RegExp(`/${secret}$`));
      expect([secret, existsSync(join(secrets, secret))]).toEqual([secret, true]);
    }
  });

  it('is given passwords by files only, and none is written down', () => {
    const values = each.flatMap(([, { environment = {} }]) => Object.entries(environment));
    const telling = values.filter(([name]) => /PASSWORD|SECRET|TOKEN_SIGNING|ROOT_KEY|SMTP_URL|_URL$/.test(name));
    for (const [name, value] of telling.filter(([name]) => !/^(APP|STATIC)_URL$/.test(name)))
      expect([name, /_FILE$/.test(name) && (value === '' || value.startsWith('/run/secrets/'))]).toEqual([name, true]);
    expect(composeText()).not.toMatch(/:\/\/[^/\s]*:[^/\s]*@/);
    const secretNames = Object.keys(everything.secrets);
    const used = new Set(each.flatMap(([, service]) => service.secrets ?? []));
    expect(secretNames.filter((name) => !used.has(name))).toEqual([]);
  });

  it('is behind the edge: only HAProxy has ports for others, and data has no way out', () => {
    const published = each.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`));
    expect(published).toEqual([
      'haproxy 80:80',
      'haproxy 443:443',
      'haproxy 127.0.0.1:8404:8404',
      'prometheus 127.0.0.1:9090:9090',
      'grafana 127.0.0.1:3001:3000',
    ]);
    for (const name of ['data', 'edge']) expect(everything.networks[name]?.internal).toBe(true);
    for (const [name, service] of each.filter(([name]) => /^(shard|redis)-/.test(name)))
      expect([name, networksOf(service)]).toEqual([name, ['data']]);
  });

  it('waits only for services that its profile starts, or does without them', () => {
    for (const profile of profiles) {
      const active = servicesOf(profile);
      for (const [name, { depends_on: needed = {} }] of Object.entries(active))
        for (const [other, { required = true }] of Object.entries(needed))
          if (required) expect([profile, name, other in active ? other : 'missing']).toEqual([profile, name, other]);
    }
  });
});

describe('The environment of our own services', () => {
  const allVariables = (slices: Slices) => Object.values(slices).flatMap(({ variables }) => Object.values(variables));
  const isKnown = (name: string, slices: Slices): boolean =>
    allVariables(slices).some(({ env, aliases, secret, familyMax }) =>
      [env, ...aliases].some((known) => {
        const pattern = familyMax === undefined ? known : known.replace('<n>', '\\d+');
        return new RegExp(`^${pattern}${secret ? '(_FILE)?' : ''}$`).test(name);
      }),
    );

  it.each(ours)('%s: every variable is one that the app reads', (name) => {
    const environment = everything.services[name]?.environment ?? {};
    const unknown = Object.keys(environment).filter((variable) => !isKnown(variable, slicesOf[name] ?? {}));
    expect(unknown).toEqual([]);
  });

  it('would not take a misspelt one for known', () => {
    expect(isKnown('SHARD_2_URL_FILE', apiSlices)).toBe(true);
    expect(isKnown('SHARD_2_REPLICAS_FILE', apiSlices)).toBe(true);
    expect(isKnown('SHARDS_2_URL_FILE', apiSlices)).toBe(false);
    expect(isKnown('HTTP_PORT_FILE', apiSlices)).toBe(false);
  });

  it.each(profiles.flatMap((profile) => ours.map((name) => [name, profile] as const)))(
    '%s, profile %s: the app accepts it, with the secrets that the script makes',
    (name, profile) => {
      expect(() => settingsOf(slicesOf[name] ?? {}, name, operatorsEnvironment(profile), secrets)).not.toThrow();
    },
  );

  it('would not be accepted where a secret is missing', () => {
    const { ROOT_KEY_FILE: _, ...rest } = full.api?.environment ?? {};
    expect(() => parseConfig(apiSlices, withSecretsIn(secrets, rest))).toThrow('ROOT_KEY is required');
  });

  it('names only secrets that the service is given', () => {
    for (const profile of profiles)
      for (const [name, service] of Object.entries(readCompose(operatorsEnvironment(profile)).services))
        for (const value of Object.values(service.environment ?? {})) {
          const [, secret] = /^\/run\/secrets\/(\w+)$/.exec(String(value)) ?? [];
          if (secret !== undefined) expect([name, service.secrets]).toEqual([name, expect.arrayContaining([secret])]);
        }
  });

  it('believes X-Forwarded-For of HAProxy’s network and of nobody else', () => {
    const subnet = JSON.stringify(everything.networks.edge?.ipam);
    const { api } = settingsOf(apiSlices, 'api', operatorsEnvironment('tps100k'), secrets);
    expect(api.trustedProxies).toHaveLength(1);
    expect(subnet).toContain(`"${api.trustedProxies[0]}"`);
    expect(networksOf(full.haproxy as Service)).toContain('edge');
  });

  it('agrees with HAProxy about ports', () => {
    const config = readFileSync(join(projectRoot(), 'deploy/haproxy/haproxy.cfg'), 'utf8');
    const preset = (name: string) => new RegExp(`presetenv ${name} (\\S+)`).exec(config)?.[1];
    const given = operatorsEnvironment('tps100k');
    const { api, processes } = settingsOf(apiSlices, 'api', given, secrets);
    expect(String(api.port)).toBe(preset('API_PORT'));
    expect(String(processes.agentPort)).toBe(preset('AGENT_PORT'));
    expect(String(settingsOf(gatewaySlices, 'websocket-gateway', given, secrets).gateway.port)).toBe(
      preset('GATEWAY_PORT'),
    );
    expect([preset('API_HOST'), preset('GATEWAY_HOST')].filter((name) => !(name! in full))).toEqual([]);
    expect(full.api?.healthcheck?.test?.at(-1)).toBe(String(api.port));
  });

  it('tells each app where its database is: the directory on shard 1’s server', () => {
    const { sharding } = settingsOf(apiSlices, 'api', operatorsEnvironment('tps100k'), secrets);
    const hostOf = (url: string) => new URL(url).host;
    expect(hostOf(sharding.directoryUrl.reveal())).toBe('shard-1-primary:5432');
    expect(sharding.shardUrls.map((url) => url && hostOf(url.reveal()))).toEqual(
      [1, 2, 3].map((n) => `shard-${n}-primary:5432`),
    );
    expect(sharding.shardReplicas.flatMap((urls) => urls ?? []).map((url) => hostOf(url.reveal()))).toEqual(
      [1, 2, 3].map((n) => `shard-${n}-replica:5432`),
    );
  });
});
