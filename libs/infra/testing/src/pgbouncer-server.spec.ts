import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pgbouncerOnLoopback } from './pgbouncer-server.js';
import { projectRoot } from './places.js';

const production = readFileSync(join(projectRoot(), 'deploy/pgbouncer/pgbouncer.ini'), 'utf8');
const databases = { shard: { host: '127.0.0.1', port: 5_555 } };
const linesOf = (ini: string): readonly string[] => ini.split('\n').filter((line) => /^\w/.test(line));

describe('the production settings of PgBouncer on loopback', () => {
  it('are the same but for the databases and what is asked for', () => {
    const changed = linesOf(pgbouncerOnLoopback(production, databases, { listen_port: '7777' }, true));
    const differing = linesOf(production).filter((line) => !changed.includes(line));
    expect(differing.filter((line) => !line.startsWith('praxis_'))).toEqual(['listen_port = 6432']);
    expect(changed.filter((line) => line.startsWith('shard = '))).toEqual([
      expect.stringMatching(/^shard = host=127.0.0.1 port=5555 connect_query='set statement_timeout/),
    ]);
  });

  it('say nothing of names to a program that keeps none', () => {
    expect(production).toMatch(/^max_prepared_statements = 200$/m);
    expect(linesOf(pgbouncerOnLoopback(production, databases, {}, false)).join('\n')).not.toContain('prepared');
  });

  it('are not understood when a setting is misspelt or no database is named', () => {
    expect(() => pgbouncerOnLoopback(production, databases, { listen_prot: '1' }, true)).toThrow('listen_prot');
    expect(() => pgbouncerOnLoopback('[pgbouncer]\n', databases, {}, true)).toThrow('no database');
  });
});
