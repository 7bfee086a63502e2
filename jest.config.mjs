// Everything, node_modules included, is compiled to CommonJS for tests: ESM Jest cannot load Nest 12 beside CommonJS libraries.
const swc = (parser, transform) => [
  '@swc/jest',
  {
    swcrc: false,
    sourceMaps: 'inline',
    module: { type: 'commonjs' },
    jsc: { target: 'es2024', keepClassNames: true, parser, transform },
  },
];

export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{apps,libs,tools,migrations,load}/**/*.spec.ts'],
  testEnvironmentOptions: { customExportConditions: ['node', 'node-addons', 'source'] },
  moduleFileExtensions: ['js', 'mjs', 'cjs', 'ts', 'json', 'node'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.praxis'],
  transform: {
    '^.+\\.ts$': swc(
      { syntax: 'typescript', decorators: true },
      { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    ),
    '^.+\\.[cm]?js$': swc({ syntax: 'ecmascript' }),
  },
  transformIgnorePatterns: ['/node_modules/(typescript|@swc|@node-rs)/'],
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  globalSetup: '<rootDir>/libs/infra/testing/src/jest-global-setup.ts',
  globalTeardown: '<rootDir>/libs/infra/testing/src/jest-global-teardown.ts',
  testTimeout: 30_000,
  maxWorkers: 2,
};
