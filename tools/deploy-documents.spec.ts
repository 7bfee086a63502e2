import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { postgresBinaries, projectRoot, stackHome } from '#infra/testing';
import {
  composeText,
  limitsOf,
  operatorsEnvironment,
  profiles,
  readCompose,
  replicasOf,
  servicesOf,
} from './deploy/compose.js';

const root = projectRoot();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const deployment = read('docs/deployment.md');
const everything = readCompose(operatorsEnvironment('tps100k'));
const services = Object.keys(everything.services);
const codesIn = (text: string): readonly string[] => [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);

describe('How to deploy', () => {
  it('names the sizes of the profiles as they are', () => {
    for (const profile of profiles) {
      const active = Object.values(servicesOf(profile));
      const sum = (of: (service: (typeof active)[number]) => number) =>
        active.reduce((total, service) => total + replicasOf(service) * of(service), 0);
      const containers = sum(() => 1);
      const cpus = sum((service) => limitsOf(service).cpus);
      const gigabytes = sum((service) => limitsOf(service).memoryBytes) / 2 ** 30;
      expect(deployment).toContain(`| \`${profile}\` | ${containers} | ${cpus} | ${gigabytes} GB |`);
    }
  });

  it('names services, secrets, ports and files that there are', () => {
    const files = [...deployment.matchAll(/(?<![\w/])deploy\/[\w./-]+\w/g)].map(([path]) => path);
    const secrets = files.flatMap((path) => /^deploy\/secrets\/(\w+)$/.exec(path)?.[1] ?? []);
    expect(secrets.length).toBeGreaterThan(5);
    for (const secret of secrets) expect([secret, secret in everything.secrets]).toEqual([secret, true]);
    const places = files.filter((path) => !path.startsWith('deploy/secrets'));
    expect(places.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    const commands = [...codesIn(deployment), ...deployment.split('\n')].filter((line) => line.startsWith('C '));
    const named = commands.flatMap((line) => [
      ...line.matchAll(
        /(?<=\s)(shard-[\w-]+|redis-[\w-]+|api|worker|migrate|haproxy|prometheus|praxis|websocket-gateway)(?=\s|$)/g,
      ),
    ]);
    expect(named.length).toBeGreaterThan(10);
    for (const [service] of named) expect(services).toContain(service);
    for (const port of ['8404', '9090', '3001']) expect(composeText()).toContain(`127.0.0.1:${port}:`);
  });

  it('knows every service that compose starts from the same pages of settings', () => {
    for (const folder of ['haproxy', 'postgres', 'prometheus', 'grafana', 'redis'])
      expect(read('deploy/README.md')).toContain(`\`${folder}/`);
  });
});

describe('Scripts', () => {
  const scripts = readdirSync(join(root, 'deploy'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.sh'),
  );

  it.each(scripts)('%s is understood by a shell', (script) => {
    expect(() => execFileSync('sh', ['-n', join(root, 'deploy', script)], { stdio: 'pipe' })).not.toThrow();
  });

  it('healthcheck.mjs ends with 0 where a process says that it lives, with 1 where it does not or nobody is there', async () => {
    let status = 200;
    const paths = new Set<string | undefined>();
    const server = createServer((request, response) => {
      paths.add(request.url);
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const check = () =>
      new Promise<number>((resolve) => {
        const child = execFile(process.execPath, [join(root, 'deploy/healthcheck.mjs'), String(port)]);
        child.once('exit', (code) => resolve(code ?? -1));
      });
    expect(await check()).toBe(0);
    status = 503;
    expect(await check()).toBe(1);
    await new Promise((resolve) => server.close(resolve));
    expect(await check()).toBe(1);
    expect([...paths]).toEqual(['/health/live']);
  });
});

describe('The runbook', () => {
  const symptoms = ['slow-answers', 'errors', 'memory'];
  const rowsOf = (page: string): readonly (readonly string[])[] =>
    page
      .split('\n')
      .filter((line) => /^\| (?!ask|when|-)/.test(line))
      .map((line) => line.replaceAll('\\|', '¦').split('|').slice(1, -1));

  it('[B-090] [C-135] has a page for each symptom, with metrics, commands and the numbers where it begins; slow statements are logged', () => {
    for (const symptom of symptoms) {
      const page = read(`docs/runbook/${symptom}.md`);
      expect(page).toMatch(/^Begins where `praxis:\w+`.* passes [\d.]+/m);
      const rows = rowsOf(page);
      expect(rows.length).toBeGreaterThan(5);
      expect(rows.filter((row) => row.length !== 3 || codesIn(row[1] ?? '').length === 0)).toEqual([]);
      expect(page).toMatch(/`(docker|curl|select|pg_)/);
      for (const [, target = ''] of page.matchAll(/\]\(([^)#]+)/g))
        expect([target, existsSync(join(root, 'docs/runbook', target))]).toEqual([target, true]);
    }
    const { postgres } = postgresBinaries(stackHome());
    for (const size of ['small', 'large']) {
      const args = [
        '-C',
        'log_min_duration_statement',
        '-D',
        root,
        '-c',
        `config_file=${join(root, `deploy/postgres/${size}.conf`)}`,
      ];
      const shown = execFileSync(postgres, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
      expect(Number(shown)).toBe(200);
    }
  });

  it('[C-134] says what is looked at each month, with one owner and one command for each', () => {
    const monthly = rowsOf(read('docs/runbook/calendar.md')).filter(([when = '']) => when.trim() === 'monthly');
    const subjects = monthly.map(([, what = '']) => what.trim());
    for (const subject of ['capacity', 'infrastructure', 'performance', 'security'])
      expect(subjects.filter((what) => what.startsWith(subject))).toHaveLength(1);
    for (const [, , owner = '', command = ''] of monthly) {
      expect(owner.trim()).toMatch(/^[a-z]+( [a-z]+)+$/);
      expect(codesIn(command).length + (command.includes('](') ? 1 : 0)).toBe(1);
    }
  });
});
