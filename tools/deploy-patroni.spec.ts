import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot, stackHome, systemProgram } from '#infra/testing';

const read = (file: string): string => readFileSync(join(projectRoot(), 'deploy', file), 'utf8');

interface Patroni {
  readonly bootstrap: {
    readonly dcs: {
      readonly ttl: number;
      readonly loop_wait: number;
      readonly retry_timeout: number;
      readonly primary_start_timeout: number;
      readonly synchronous_mode: boolean;
      readonly synchronous_mode_strict: boolean;
      readonly postgresql: {
        readonly use_pg_rewind: boolean;
        readonly use_slots: boolean;
        readonly parameters: Readonly<Record<string, string | number>>;
      };
    };
  };
  readonly postgresql: { readonly pg_hba: readonly string[] };
}

const patroni = parse(read('patroni/patroni.yml')) as Patroni;
const { dcs } = patroni.bootstrap;
/** `name = value` lines of postgresql.conf. */
const settingsOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...text.matchAll(/^([\w.]+) = (?:'(.*)'|(.+))$/gm)].map(([, name = '', quoted, plain = '']) => [
      name,
      quoted ?? plain,
    ]),
  );
const variablesOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries([...text.matchAll(/^([A-Z0-9_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]));
const words = (line: string): string => line.trim().split(/\s+/).join(' ');

describe('Patroni’s settings', () => {
  it('give a server under it what every PostgreSQL server of the product has', () => {
    const { parameters } = dcs.postgresql;
    const wanted = settingsOf(read('postgres/common.conf'));
    expect(Object.keys(wanted).length).toBeGreaterThan(8);
    expect(Object.fromEntries(Object.keys(wanted).map((name) => [name, String(parameters[name])]))).toEqual(wanted);
  });

  it('let the same in as a server without it', () => {
    const lines = read('postgres/pg_hba.conf').split('\n');
    const rules = lines.filter((line) => /^(local|host)/.test(line)).map(words);
    expect(rules.length).toBeGreaterThan(2);
    expect(patroni.postgresql.pg_hba.map(words)).toEqual(rules);
  });

  it('acknowledge nothing that one node alone has while both are there, and bring the old primary back by rewinding', () => {
    expect([dcs.synchronous_mode, dcs.synchronous_mode_strict]).toEqual([true, false]);
    expect(dcs.postgresql.parameters.synchronous_commit).toBe('on');
    expect([dcs.postgresql.use_pg_rewind, dcs.postgresql.use_slots]).toEqual([true, true]);
    expect(dcs.postgresql.parameters.wal_log_hints).toBe('on');
  });

  it('leave a node time to be slow within the life of its key, and keep a failover below 30 s', () => {
    expect(dcs.loop_wait + 2 * dcs.retry_timeout).toBeLessThanOrEqual(dcs.ttl);
    expect(dcs.ttl + dcs.loop_wait).toBeLessThan(30);
    expect(dcs.primary_start_timeout).toBe(0);
  });

  it('hold no password, and name in their example everything that differs between nodes', () => {
    const variables = variablesOf(read('patroni/node.env.example'));
    const passwords = Object.entries(variables).filter(([name]) => name.endsWith('_PASSWORD'));
    expect(passwords.map(([, value]) => value)).toEqual(['', '', '']);
    expect(read('patroni/patroni.yml')).not.toMatch(/password:/);
    const set = readFileSync(join(projectRoot(), 'libs/infra/testing/src/patroni-node.ts'), 'utf8');
    const used = [...set.matchAll(/^\s+(PATRONI_[A-Z0-9_]+):/gm)].map(([, name = '']) => name);
    expect(used.length).toBeGreaterThan(10);
    expect(used.filter((name) => variables[name] === undefined)).toEqual([]);
  });
});

describe('HAProxy before PostgreSQL', () => {
  const config = join(projectRoot(), 'deploy/haproxy/postgres.cfg');
  const { program, libraryPath = '' } = systemProgram('haproxy', stackHome(), () => undefined);
  const check = (environment: Readonly<Record<string, string>>) =>
    spawnSync(program, ['-c', '-f', config], {
      encoding: 'utf8',
      env: { LD_LIBRARY_PATH: libraryPath, NODE_1: '127.0.0.1:1', NODE_2: '127.0.0.1:2', ...environment },
    });

  it('takes its settings without a warning, and refuses what makes none', () => {
    const { status, stderr } = check({});
    expect([status, stderr]).toEqual([0, expect.not.stringMatching(/WARNING|ALERT/)]);
    expect(check({ PRIMARY_BIND: 'not an address' }).status).not.toBe(0);
  });

  it('asks Patroni for the role, at both addresses, and cuts off who was connected to a lost one', () => {
    const text = readFileSync(config, 'utf8');
    expect(text).toContain('uri /primary');
    expect(text).toMatch(/uri "\/replica\?lag=\$\{REPLICA_LAG\}"/);
    expect(text).toContain('presetenv REPLICA_LAG 1MB');
    expect(text).toContain('on-marked-down shutdown-sessions');
  });
});
