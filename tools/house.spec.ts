import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { breachesIn, type Law, laws } from './house-laws.js';

const root = resolve(__dirname, '..');
const folders = ['apps', 'libs', 'migrations', 'load', 'tools'];

const sources = folders.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.ts')),
);
const breaches = sources.flatMap((file) => breachesIn(file, readFileSync(join(root, file), 'utf8')));

/** For each law: code that breaks it in a domain lib, and a place where the same code is at home. */
const examples: Readonly<
  Record<Exclude<Law, 'named-rooms'>, { readonly code: readonly string[]; readonly homes: readonly string[] }>
> = {
  environment: {
    code: ['const a = process.env.HOME;', 'const { env } = process;', `import { env } from 'node:process';`],
    homes: ['libs/infra/config/src/config.ts', 'libs/infra/testing/src/places.ts', 'tools/start.ts'],
  },
  console: {
    code: [`console.log('a');`, `globalThis.console.log('a');`],
    homes: ['apps/cli/src/main.ts', 'tools/start.ts', 'load/bench/booking.ts'],
  },
  clock: {
    code: ['const a = Date.now();', 'const a = new Date();', 'const a = new Date(7);', 'const a = Date();'],
    homes: ['libs/infra/kernel/src/clock.ts', 'tools/start.ts', 'libs/domain/members/src/card.spec.ts'],
  },
  'lazy-wiring': { code: ['forwardRef(() => A);', '@Injectable({ scope: Scope.REQUEST }) class A {}'], homes: [] },
  'http-exceptions': {
    code: [`import { NotFoundException } from '@nestjs/common';`],
    homes: ['apps/api/src/edge/problem.ts'],
  },
};

const lawsBroken = (file: string, code: string): string[] => breachesIn(file, code).map(({ law }) => law);

describe('the laws of the house', () => {
  it('are read from the whole workspace', () => {
    expect(sources).toContain('libs/infra/kernel/src/clock.ts');
    expect(sources).toContain('tools/house.spec.ts');
    expect(sources.length).toBeGreaterThan(50);
  });

  it.each(Object.keys(laws) as Law[])('hold everywhere: %s', (law) => {
    const found = breaches.filter((breach) => breach.law === law).map(({ file, line }) => `${file}:${line}`);
    expect({ law: laws[law], found }).toEqual({ law: laws[law], found: [] });
  });

  it.each(Object.entries(examples))('would see a breach: %s', (law, { code, homes }) => {
    for (const each of code) {
      expect(lawsBroken('libs/domain/members/src/members.service.ts', each)).toContain(law);
      for (const home of homes) expect(lawsBroken(home, each)).not.toContain(law);
    }
  });

  it('would see a room without a noun', () => {
    for (const file of [
      'libs/infra/common/src/index.ts',
      'libs/domain/members/src/utils.ts',
      'apps/api/src/shared/a.ts',
    ])
      expect(lawsBroken(file, '')).toEqual(['named-rooms']);
    expect(lawsBroken('libs/domain/members/src/sharedness.ts', '')).toEqual([]);
  });

  it('are not stirred by words in comments, texts and names', () => {
    const code = `// process.env, console.log, new Date()\nconst a = 'Date.now() forwardRef';\nlog.console(a);`;
    expect(lawsBroken('libs/domain/members/src/members.service.ts', code)).toEqual([]);
  });
});
