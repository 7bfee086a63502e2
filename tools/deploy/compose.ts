import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '#infra/testing';

export type Environment = Readonly<Record<string, string>>;

/** What the tests ask of a service, as docker compose reads it after interpolation. */
export interface Service {
  readonly image: string;
  readonly profiles?: readonly string[];
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Environment;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, { readonly ipv4_address?: string } | null>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required?: boolean }>>;
  readonly restart?: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly stop_grace_period?: string;
  readonly logging?: { readonly driver: string; readonly options: Environment };
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly deploy?: {
    readonly replicas?: number | string;
    readonly resources?: { readonly limits?: { readonly cpus?: string; readonly memory?: string } };
  };
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean; readonly ipam?: unknown }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

export const profiles = ['min', 'members', 'recommended', 'enterprise', 'tps100k'] as const;
export type Profile = (typeof profiles)[number];

const read = (file: string): string => readFileSync(join(projectRoot(), file), 'utf8');

export const composeText = (): string => read('docker-compose.production.yml');

/** `NAME=value` lines, as `docker compose --env-file` reads them. */
export function envFile(file: string): Environment {
  const lines = read(file)
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** What an operator gives on the command line: a profile, and a file of their own like the example. */
export const operatorsEnvironment = (profile: Profile): Environment => ({
  ...envFile(`deploy/profiles/${profile}.env`),
  ...envFile('deploy/production.env.example'),
});

let parsed: unknown;

/** The file as docker compose understands it with these variables. Throws where one that is required is missing. */
export function readCompose(environment: Environment): Compose {
  parsed ??= parse(composeText(), { merge: true, maxAliasCount: -1 });
  return mapStrings(parsed, (text) => interpolate(text, environment)) as Compose;
}

/** The services that a profile starts: those without profiles, and those that name one of the active ones. */
export function activeServices(environment: Environment): Readonly<Record<string, Service>> {
  const active = new Set((environment.COMPOSE_PROFILES ?? '').split(','));
  const all = Object.entries(readCompose(environment).services);
  return Object.fromEntries(all.filter(([, { profiles: own }]) => !own || own.some((name) => active.has(name))));
}

export const servicesOf = (profile: Profile): Readonly<Record<string, Service>> =>
  activeServices(operatorsEnvironment(profile));

/** `${NAME}`, `${NAME-default}`, `${NAME:-default}`, `${NAME?why}`, `${NAME:?why}`; `$$` is a dollar. */
export function interpolate(text: string, environment: Environment): string {
  return text.replace(
    /\$(?:(\$)|\{(\w+)(?:(:?[-?])([^}]*))?\}|(\w+))/g,
    (_, dollar?: string, braced?: string, operator?: string, word = '', bare?: string) => {
      if (dollar !== undefined) return '$';
      const name = braced ?? bare ?? '';
      const given = environment[name];
      const isMissing = operator?.startsWith(':') ? (given ?? '') === '' : given === undefined;
      if (!isMissing) return given ?? '';
      if (operator?.endsWith('?')) throw new Error(`${name} is missing: ${word}`);
      return operator === undefined ? '' : word;
    },
  );
}

function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((one) => mapStrings(one, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, mapStrings(one, change)]));
}

/** Names of the networks that a service is on. */
export const networksOf = ({ networks = [] }: Service): readonly string[] =>
  Array.isArray(networks) ? networks : Object.keys(networks);

/** How many containers of it there are. */
export const replicasOf = ({ deploy }: Service): number => Number(deploy?.replicas ?? 1);

const units = { M: 2 ** 20, G: 2 ** 30 } as Readonly<Record<string, number>>;

export function limitsOf({ deploy }: Service): { readonly cpus: number; readonly memoryBytes: number } {
  const { cpus, memory = '' } = deploy?.resources?.limits ?? {};
  const [, amount, unit = ''] = /^(\d+)([MG])$/.exec(memory) ?? [];
  return { cpus: Number(cpus), memoryBytes: Number(amount) * (units[unit] ?? Number.NaN) };
}
