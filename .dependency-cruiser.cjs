// Who may import whom (docs/ARCHITECTURE.md). tools/import-rules.spec.ts plants one violation of each rule and sees it caught.

/** From the lowest up: each may import only those above it in this list. */
const infraOrder = [
  'kernel',
  'config',
  'telemetry',
  'time',
  'crypto',
  'redis',
  'replicas',
  'sharding',
  'queues',
  'audit',
  'quotas',
  'cache',
  'realtime',
  'throttling',
  'identity',
  'storage',
  'health',
  'processes',
  'testing',
];

const domainArrows = {
  appointments: ['members', 'patients'],
  members: [],
  patients: [],
  reconciliation: ['members', 'patients'],
};

const tests = '(\\.spec\\.ts$|^(apps/[^/]+|libs/[^/]+/[^/]+)/test/)';
const testing = '^libs/infra/testing/';

/** A package by name, installed or not. */
const packages = (...names) => `(^|node_modules/)(${names.join('|')})(/|$)`;

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** One door for a third party: only the named places import it. */
const door = (name, comment, to, ...places) =>
  rule(`door-${name}`, comment, { path: '^(apps|libs|migrations|load|tools)/', pathNot: places }, { path: to });

const infraRules = infraOrder.slice(0, -1).map((lib, n) =>
  rule(
    `infra-order-${lib}`,
    `${lib} may import only ${infraOrder.slice(0, n).join(', ') || 'nothing of ours'}`,
    { path: `^libs/infra/${lib}/` },
    { path: '^libs/infra/', pathNot: [lib, ...infraOrder.slice(0, n), 'testing'].map((each) => `^libs/infra/${each}/`) },
  ),
);

const domainRules = Object.entries(domainArrows).map(([lib, allowed]) =>
  rule(
    `domain-arrows-${lib}`,
    `of the domains, ${lib} may import only ${allowed.join(', ') || 'none'}`,
    { path: `^libs/domain/${lib}/` },
    { path: '^libs/domain/', pathNot: [lib, ...allowed].map((each) => `^libs/domain/${each}/`) },
  ),
);

module.exports = {
  forbidden: [
    rule('no-cycles', 'two injectables that import each other crash at load', {}, { circular: true }),
    rule('resolvable', 'an import that leads nowhere escapes every other rule', {}, { couldNotResolve: true }),
    rule(
      'known-libs',
      'a lib that the order above does not name has no place yet',
      {},
      {
        path: '^libs/',
        pathNot: [`^libs/infra/(${infraOrder.join('|')})/`, `^libs/domain/(${Object.keys(domainArrows).join('|')})/`],
      },
    ),
    rule(
      'front-doors-only',
      'another lib is reached through its index.ts, as #infra/<lib> or #domain/<lib>',
      { path: '^(libs/[^/]+/[^/]+|apps/[^/]+|[^/]+)/' },
      { path: '^libs/[^/]+/[^/]+/(?!src/index\\.ts$)', pathNot: '^$1/' },
    ),
    ...infraRules,
    rule('infra-not-to-domain', 'the ground knows nothing of the field', { path: '^libs/infra/', pathNot: testing }, {
      path: '^libs/domain/',
    }),
    rule('libs-not-to-apps', 'libs serve apps', { path: '^libs/', pathNot: testing }, { path: '^apps/' }),
    rule('libs-not-to-migrations', 'apps hand the migrations over', { path: '^libs/', pathNot: [testing, tests] }, {
      path: '^migrations/',
    }),
    rule('libs-not-to-tools', 'tools and load runs stand outside the product', { path: '^(libs|apps)/' }, {
      path: '^(tools|load)/',
    }),
    rule('migrations-stand-alone', 'what has run stays as it is, whatever becomes of the libs', {
      path: '^migrations/',
      pathNot: tests,
    }, { path: '^(apps|libs|load|tools)/' }),
    rule('domain-through-sharding', 'the field reaches data by sharding, and work by queues', {
      path: '^libs/domain/',
    }, { path: '^libs/infra/(redis|replicas)/' }),
    ...domainRules,
    rule('app-not-to-app', 'what two apps need lives in a lib', { path: '^apps/([^/]+)/' }, {
      path: '^apps/',
      pathNot: '^apps/$1/',
    }),
    rule('testing-only-in-tests', 'only specs, load runs and tools start clusters', {
      pathNot: [tests, testing, '^tools/', '^load/'],
    }, { path: testing }),
    rule('no-dev-dependency-in-product', 'it is missing where the product runs', {
      path: '^(apps|libs|migrations)/',
      pathNot: [tests, testing],
    }, { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] }),
    door(
      'database',
      'every database is reached by sharding; statements live in repositories',
      packages('typeorm', 'pg', 'pg-[^/]+', '@nestjs/typeorm'),
      '^libs/infra/(replicas|sharding|testing)/',
      '\\.(entity|repository)\\.ts$',
      '\\.db\\.spec\\.ts$',
      '^migrations/',
      '^load/',
    ),
    door('redis', 'connections by role', packages('ioredis', 'redis', '@redis/[^/]+'), '^libs/infra/redis/'),
    door('queues', 'jobs stand in the catalogue', packages('bullmq', '@nestjs/bullmq'), '^libs/infra/queues/', '^apps/worker/'),
    door(
      'sockets',
      'facts reach clients by rooms',
      packages('socket\\.io', '@socket\\.io/[^/]+', '@nestjs/websockets', '@nestjs/platform-socket\\.io'),
      '^apps/websocket-gateway/',
      '^libs/infra/realtime/',
    ),
    door(
      'http',
      'routes are the REST app’s surface',
      packages('fastify', '@fastify/[^/]+', '@nestjs/platform-fastify', '@nestjs/swagger'),
      '^apps/api/',
      // What benches measure against.
      '^load/ladder/',
    ),
    door(
      'cache',
      'keys always under a tenant',
      packages('cache-manager', '@nestjs/cache-manager', 'keyv', '@keyv/[^/]+'),
      '^libs/infra/cache/',
      '^load/cache/',
    ),
    door('breakers', 'providers outside are reached through one breaker each', packages('cockatiel'), '^libs/infra/throttling/'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
