import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  ConfigError,
  choice,
  configMarkdown,
  envExample,
  family,
  flag,
  integer,
  list,
  optional,
  parseConfig,
  secret,
  secretUrl,
  slice,
  url,
} from './index.js';

const example = slice(
  'Example',
  {
    size: integer('SIZE', { min: 1, max: 10, default: 5, aliases: ['OLD_SIZE'], description: 'how big' }),
    loud: flag('LOUD', { default: false, description: 'whether' }),
    mode: choice('MODE', ['a', 'b'], { default: 'a', description: 'which' }),
    key: secret('KEY', { description: 'the key' }),
    link: optional(url('LINK', ['https'], { description: 'where' })),
    nodes: family(secretUrl('NODE_<n>_URL', ['postgres'], { description: 'node n' }), 3),
  },
  (v) => (v.size === 7 ? ['SIZE must not be 7'] : []),
);
const parse = (env: Record<string, string>) => parseConfig({ example }, { KEY: 'k', ...env }).example;
const mistakesOf = (env: Record<string, string>): readonly string[] => {
  try {
    parse(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
};

describe('configuration', () => {
  it('takes defaults, values and older names, and the newer name wins', () => {
    expect(parse({})).toMatchObject({ size: 5, loud: false, mode: 'a', link: undefined });
    expect(parse({ OLD_SIZE: '3' }).size).toBe(3);
    expect(parse({ OLD_SIZE: '3', SIZE: '4' }).size).toBe(4);
  });

  it('reports every mistake at once, each with its variable', () => {
    expect(mistakesOf({ SIZE: '99', LOUD: 'maybe', MODE: 'c', LINK: 'ftp://x', KEY: '' })).toEqual([
      'SIZE must be a whole number from 1 to 10',
      'LOUD must be true or false',
      'MODE must be one of a, b',
      'KEY is required: the key',
      'LINK must be a url with https://',
    ]);
  });

  it('runs the checks between values only when each value is right', () => {
    expect(mistakesOf({ SIZE: '7' })).toEqual(['SIZE must not be 7']);
    expect(mistakesOf({ SIZE: '7', LOUD: 'x' })).toEqual(['LOUD must be true or false']);
  });

  it('never prints a secret: not in text, JSON, inspection or a mistake', () => {
    const { key, nodes } = parse({ KEY: 'swordfish', NODE_1_URL: 'postgres://u:swordfish@h/d' });
    const printed = `${key} ${JSON.stringify({ key, nodes })} ${inspect({ key, nodes })}`;
    expect(printed).not.toContain('swordfish');
    expect(key.reveal()).toBe('swordfish');
    expect(mistakesOf({ NODE_1_URL: 'swordfish' }).join()).not.toContain('swordfish');
  });

  it('reads a secret from the file that NAME_FILE names', () => {
    const folder = mkdtempSync(join(tmpdir(), 'config-'));
    try {
      writeFileSync(join(folder, 'key'), 'from-file\n');
      expect(parse({ KEY: '', KEY_FILE: join(folder, 'key') }).key.reveal()).toBe('from-file');
      expect(mistakesOf({ KEY: '', KEY_FILE: join(folder, 'none') })).toContain(
        'KEY_FILE names a file that cannot be read',
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('reads a list of secrets from a file too', () => {
    const folder = mkdtempSync(join(tmpdir(), 'config-'));
    const replicas = family(
      list('NODE_<n>_REPLICAS', secretUrl('', ['postgres'], { description: '' }), { description: 'replicas' }),
      2,
    );
    try {
      writeFileSync(join(folder, 'urls'), 'postgres://a/1,postgres://b/1\n');
      const environment = { NODE_2_REPLICAS_FILE: join(folder, 'urls') };
      const { urls } = parseConfig({ nodes: slice('Nodes', { urls: replicas }) }, environment).nodes;
      expect(urls.map((list) => list?.map((url) => url.reveal()))).toEqual([
        undefined,
        ['postgres://a/1', 'postgres://b/1'],
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('reads numbered variables into a list and keeps the gaps', () => {
    const { nodes } = parse({ NODE_1_URL: 'postgres://h/1', NODE_3_URL: 'postgres://h/3' });
    expect(nodes.map((n) => n?.reveal())).toEqual(['postgres://h/1', undefined, 'postgres://h/3']);
  });

  it('documents every variable with its default and never a secret’s', () => {
    for (const text of [envExample([example]), configMarkdown([example])])
      for (const name of ['SIZE', 'LOUD', 'MODE', 'KEY', 'LINK', 'NODE_<n>_URL']) expect(text).toContain(name);
  });

  it('freezes what it parsed', () => {
    expect(Object.isFrozen(parse({}))).toBe(true);
  });
});
