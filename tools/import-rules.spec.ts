import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const root = resolve(__dirname, '..');
const config = join(root, '.dependency-cruiser.cjs');
const { forbidden } = createRequire(__filename)(config) as { forbidden: readonly { name: string }[] };

interface Violation {
  readonly rule: { readonly name: string };
  readonly from: string;
}

type Tree = Readonly<Record<string, string>>;

const uses = (...specifiers: string[]): string => specifiers.map((each) => `import '${each}';`).join('\n');

/** A small house in which every permitted arrow is used at least once. */
const cleanTree: Tree = {
  'libs/infra/kernel/src/index.ts': uses('./clock.js'),
  'libs/infra/kernel/src/clock.ts': 'export const clock = 1;',
  'libs/infra/config/src/index.ts': uses('#infra/kernel'),
  'libs/infra/telemetry/src/index.ts': uses('#infra/config', '#infra/kernel'),
  'libs/infra/time/src/index.ts': uses('#infra/kernel'),
  'libs/infra/crypto/src/index.ts': uses('#infra/telemetry'),
  'libs/infra/redis/src/index.ts': uses('ioredis', '#infra/crypto'),
  'libs/infra/replicas/src/index.ts': uses('pg', '#infra/redis'),
  'libs/infra/sharding/src/index.ts': uses('typeorm', '#infra/replicas'),
  'libs/infra/sharding/src/sharding.db.spec.ts': uses('#infra/testing', '#migrations', 'pg', 'jest-helper'),
  'libs/infra/queues/src/index.ts': uses('bullmq', '#infra/sharding', './outbox.repository.js'),
  'libs/infra/queues/src/outbox.repository.ts': uses('typeorm'),
  'libs/infra/audit/src/index.ts': uses('#infra/queues'),
  'libs/infra/quotas/src/index.ts': uses('#infra/audit'),
  'libs/infra/cache/src/index.ts': uses('cache-manager', '#infra/redis'),
  'libs/infra/realtime/src/index.ts': uses('socket.io', '#infra/cache'),
  'libs/infra/throttling/src/index.ts': uses('cockatiel', '#infra/realtime'),
  'libs/infra/identity/src/index.ts': uses('#infra/throttling', '#infra/audit'),
  'libs/infra/storage/src/index.ts': uses('#infra/identity'),
  'libs/infra/health/src/index.ts': uses('#infra/storage'),
  'libs/infra/processes/src/index.ts': uses('#infra/health'),
  'libs/infra/testing/src/index.ts': uses('#infra/processes', '#domain/members', '#migrations', 'pg', 'jest-helper'),
  'libs/domain/patients/src/index.ts': uses('#infra/sharding', './patient.entity.js'),
  'libs/domain/patients/src/patient.entity.ts': uses('typeorm'),
  'libs/domain/members/src/index.ts': uses('#infra/queues', '#infra/audit'),
  'libs/domain/appointments/src/index.ts': uses('#domain/members', '#domain/patients'),
  'libs/domain/reconciliation/src/index.ts': uses('#domain/members', '#domain/patients'),
  'apps/api/src/main.ts': uses(
    'fastify',
    '@nestjs/platform-fastify',
    '#domain/appointments',
    '#infra/health',
    '#migrations',
  ),
  'apps/api/test/api.e2e.spec.ts': uses('#infra/testing', '../src/main.js'),
  'apps/worker/src/main.ts': uses('bullmq', '#domain/reconciliation'),
  'apps/websocket-gateway/src/main.ts': uses('socket.io', '#infra/realtime'),
  'migrations/index.ts': uses('typeorm'),
  'tools/start.ts': uses('#infra/testing'),
  'load/drills/race.ts': uses('#infra/testing', 'pg'),
};

const infraOrder =
  'kernel config telemetry time crypto redis replicas sharding queues audit quotas cache realtime throttling identity storage health processes testing'.split(
    ' ',
  );
/** Each infra lib of the order imports the one that stands right after it. */
const orderPlants = Object.fromEntries(
  infraOrder
    .slice(0, -2)
    .map((lib, n) => [
      `infra-order-${lib}`,
      { [`libs/infra/${lib}/src/planted.ts`]: uses(`#infra/${infraOrder[n + 1]}`) },
    ]),
);

/** For every rule, files that break it; one of them is the one to be caught. */
const plants: Readonly<Record<string, Tree>> = {
  ...orderPlants,
  'infra-order-processes': {
    'libs/infra/processes/src/planted.ts': uses('#infra/newcomer'),
    'libs/infra/newcomer/src/index.ts': '',
  },
  'no-cycles': {
    'libs/domain/members/src/planted-ring.ts': uses('./planted-back.js'),
    'libs/domain/members/src/planted-back.ts': uses('./planted-ring.js'),
  },
  resolvable: { 'libs/domain/members/src/planted-nowhere.ts': uses('#infra/nowhere') },
  'known-libs': { 'apps/api/src/planted-unknown.ts': uses('#infra/common'), 'libs/infra/common/src/index.ts': '' },
  'front-doors-only': {
    'libs/domain/members/src/planted-window.ts': uses('../../../infra/kernel/src/clock.js'),
  },
  'infra-not-to-domain': { 'libs/infra/audit/src/planted-domain.ts': uses('#domain/members') },
  'libs-not-to-apps': { 'libs/domain/members/src/planted-app.ts': uses('../../../../apps/api/src/main.js') },
  'libs-not-to-migrations': { 'libs/infra/sharding/src/planted-migrations.ts': uses('#migrations') },
  'libs-not-to-tools': { 'apps/api/src/planted-tool.ts': uses('../../../tools/start.js') },
  'migrations-stand-alone': { 'migrations/planted.ts': uses('#infra/kernel') },
  'domain-through-sharding': { 'libs/domain/patients/src/planted-redis.ts': uses('#infra/redis') },
  'domain-arrows-members': { 'libs/domain/members/src/planted-domain.ts': uses('#domain/appointments') },
  'domain-arrows-patients': { 'libs/domain/patients/src/planted-domain.ts': uses('#domain/members') },
  'domain-arrows-appointments': { 'libs/domain/appointments/src/planted-domain.ts': uses('#domain/reconciliation') },
  'domain-arrows-reconciliation': { 'libs/domain/reconciliation/src/planted-domain.ts': uses('#domain/appointments') },
  'app-not-to-app': { 'apps/worker/src/planted-app.ts': uses('../../api/src/main.js') },
  'testing-only-in-tests': { 'apps/api/src/planted-testing.ts': uses('#infra/testing') },
  'no-dev-dependency-in-product': { 'apps/api/src/planted-dev.ts': `import { help } from 'jest-helper';\nhelp();` },
  'door-database': { 'libs/domain/members/src/planted-database.ts': uses('pg') },
  'door-redis': { 'libs/infra/cache/src/planted-redis.ts': uses('ioredis') },
  'door-queues': { 'apps/api/src/planted-queue.ts': uses('bullmq') },
  'door-sockets': { 'apps/api/src/planted-socket.ts': uses('socket.io') },
  'door-http': { 'libs/infra/identity/src/planted-http.ts': uses('fastify') },
  'door-cache': { 'libs/domain/members/src/planted-cache.ts': uses('cache-manager') },
  'door-breakers': { 'apps/worker/src/planted-breaker.ts': uses('cockatiel') },
};

const installed = [
  'typeorm',
  'pg',
  'ioredis',
  'bullmq',
  'socket.io',
  'fastify',
  '@nestjs/platform-fastify',
  'cache-manager',
  'cockatiel',
];

describe('the import rules', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'praxis-house-')));
  beforeAll(() => {
    write({
      'package.json': JSON.stringify({
        name: 'house',
        type: 'module',
        imports: {
          '#domain/*': { source: './libs/domain/*/src/index.ts' },
          '#infra/*': { source: './libs/infra/*/src/index.ts' },
          '#migrations': { source: './migrations/index.ts' },
        },
        dependencies: Object.fromEntries(installed.map((name) => [name, '1.0.0'])),
        devDependencies: { 'jest-helper': '1.0.0' },
      }),
    });
    copyFileSync(join(root, 'tsconfig.json'), join(folder, 'tsconfig.json'));
    for (const name of [...installed, 'jest-helper'])
      write({
        [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: '1.0.0', main: 'index.js' }),
        [`node_modules/${name}/index.js`]: 'exports.help = () => {};',
      });
    write(cleanTree);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function write(tree: Tree): void {
    for (const [file, content] of Object.entries(tree)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), `${content}\n`);
    }
  }

  function cruise(): readonly Violation[] {
    const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
    const args = [program, '--config', config, '--output-type', 'json', 'apps', 'libs', 'migrations', 'load', 'tools'];
    const run = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', maxBuffer: 32 * 1024 * 1024 });
    if (run.stdout === '') throw new Error(run.stderr);
    return (JSON.parse(run.stdout) as { summary: { violations: readonly Violation[] } }).summary.violations;
  }

  it('let every permitted arrow pass', () => {
    expect(cruise()).toEqual([]);
  });

  it('are all planted below', () => {
    expect(forbidden.map(({ name }) => name).sort()).toEqual(Object.keys(plants).sort());
  });

  describe('catch a violation of', () => {
    let caught: readonly Violation[] = [];
    beforeAll(() => {
      for (const tree of Object.values(plants)) write(tree);
      caught = cruise();
    });

    it.each(Object.entries(plants))('%s', (name, tree) => {
      const files = caught.filter(({ rule }) => rule.name === name).map(({ from }) => from);
      expect(files.filter((file) => file in tree)).not.toEqual([]);
    });
  });
});
