import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StackError } from './places.js';
import { canFetchPackages, canRun, type PackageSource, unpackPackages } from './system-packages.js';

export interface SystemProgram {
  readonly program: string;
  /** Folders of libraries that came with it and are not installed on the machine: its LD_LIBRARY_PATH. */
  readonly libraryPath: string | undefined;
}

interface ProgramSource extends PackageSource {
  readonly needs: string;
  /** File names, any of which will do. */
  readonly programs: readonly string[];
  /** Under the home: the unpacked packages. Programs of the same packages share it. */
  readonly folder: string;
  /** Package names of other systems' installers. */
  readonly elsewhere: Readonly<Record<'brew' | 'dnf' | 'apk' | 'pacman', string>>;
}

const redisPackages = {
  folder: 'redis-server',
  packages: ['redis-server', 'valkey-server'],
  withDependencies: true,
  elsewhere: { brew: 'redis', dnf: 'valkey', apk: 'redis', pacman: 'valkey' },
} as const;
const samePackage = (name: string) => ({ brew: name, dnf: name, apk: name, pacman: name });

/** Of Debian's PostgreSQL packages, which share a machine; the newest first. */
const serverVersions = [18, 17, 16, 15] as const;
export const postgresFolders: readonly string[] = serverVersions.map((version) => `usr/lib/postgresql/${version}/bin`);

const sources = {
  redis: { ...redisPackages, needs: 'Redis 7 or newer, or Valkey,', programs: ['redis-server', 'valkey-server'] },
  'redis-cli': { ...redisPackages, needs: 'redis-cli or valkey-cli', programs: ['redis-cli', 'valkey-cli'] },
  haproxy: {
    needs: 'HAProxy 2.6 or newer',
    programs: ['haproxy'],
    folder: 'haproxy',
    packages: ['haproxy'],
    withDependencies: true,
    elsewhere: samePackage('haproxy'),
  },
  /** Its package's dependencies are the pages of Prometheus's own console, which promtool does without. */
  promtool: {
    needs: 'promtool of Prometheus',
    programs: ['promtool'],
    folder: 'prometheus',
    packages: ['prometheus'],
    withDependencies: false,
    elsewhere: { ...samePackage('prometheus'), dnf: 'golang-github-prometheus' },
  },
  amtool: {
    needs: 'amtool of Alertmanager',
    programs: ['amtool'],
    folder: 'alertmanager',
    packages: ['prometheus-alertmanager'],
    withDependencies: false,
    elsewhere: { ...samePackage('alertmanager'), dnf: 'golang-github-prometheus-alertmanager' },
  },
  pgbouncer: {
    needs: 'PgBouncer',
    programs: ['pgbouncer'],
    folder: 'pgbouncer',
    packages: ['pgbouncer'],
    withDependencies: true,
    elsewhere: samePackage('pgbouncer'),
  },
  etcd: {
    needs: 'etcd 3.4 or newer',
    programs: ['etcd'],
    folder: 'etcd',
    packages: ['etcd-server'],
    withDependencies: true,
    elsewhere: samePackage('etcd'),
  },
  patroni: {
    needs: 'Patroni 3 or newer with its Python',
    programs: ['patroni'],
    folder: 'patroni',
    packages: ['patroni'],
    withDependencies: true,
    elsewhere: samePackage('patroni'),
  },
  /** With pg_basebackup, pg_controldata and postgres beside it. */
  pg_rewind: {
    needs: 'PostgreSQL 15 or newer with its tools',
    programs: ['pg_rewind'],
    folder: 'postgresql',
    packages: serverVersions.map((version) => `postgresql-${version}`),
    withDependencies: true,
    elsewhere: { brew: 'postgresql@18', dnf: 'postgresql-server', apk: 'postgresql', pacman: 'postgresql' },
  },
} as const satisfies Readonly<Record<string, ProgramSource>>;

export type SystemProgramName = keyof typeof sources;

/** Where servers lie that are on no ordinary user's PATH. */
const serverFolders = ['/usr/sbin', '/usr/local/sbin'];
const programFolders = ['usr/bin', 'usr/sbin', 'bin', 'sbin', ...postgresFolders];

/**
 * From PATH, else from an earlier unpacking, else from the system's packages, unpacked under `home` without installing
 * them, which takes seconds and the network. `note` hears of that.
 */
export function systemProgram(
  name: SystemProgramName,
  home: string,
  note: (line: string) => void,
  searched: readonly string[] = [...(process.env.PATH ?? '').split(delimiter), ...serverFolders],
): SystemProgram {
  const source: ProgramSource = sources[name];
  const folder = join(home, source.folder);
  const found = onPath(source, searched) ?? inFolder(source, folder);
  if (found !== undefined) return found;
  if (!canFetchPackages()) throw new StackError(whatToType(source));
  note(`${source.programs[0]} is not on PATH: unpacking it from the system’s packages (nothing is installed)`);
  unpackPackages(source, folder, () => inFolder(source, folder) !== undefined);
  const made = inFolder(source, folder);
  if (made === undefined) throw new StackError(whatToType(source));
  return made;
}

function onPath({ programs }: ProgramSource, searched: readonly string[]): SystemProgram | undefined {
  const program = searched
    .filter((folder) => folder !== '')
    .flatMap((folder) => programs.map((name) => join(folder, name)))
    .find(isExecutable);
  return program === undefined ? undefined : { program, libraryPath: undefined };
}

function inFolder({ programs }: ProgramSource, folder: string): SystemProgram | undefined {
  const program = programFolders
    .flatMap((place) => programs.map((name) => join(folder, place, name)))
    .find(isExecutable);
  return program === undefined ? undefined : { program, libraryPath: libraryFolders(folder).join(':') };
}

function libraryFolders(folder: string): readonly string[] {
  const roots = [join(folder, 'usr/lib'), join(folder, 'lib')].filter((path) => existsSync(path));
  const below = roots.flatMap((root) =>
    readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(root, entry.name)),
  );
  return [...roots, ...below];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function whatToType({ needs, programs, packages, elsewhere }: ProgramSource): string {
  const installers = [
    ['apt-get', `sudo apt-get update && sudo apt-get install ${packages[0]}`],
    ['brew', `brew install ${elsewhere.brew}`],
    ['dnf', `sudo dnf install ${elsewhere.dnf}`],
    ['apk', `apk add ${elsewhere.apk}`],
    ['pacman', `sudo pacman -S ${elsewhere.pacman}`],
  ] as const;
  const known = installers.find(([program]) => canRun(program));
  const advice = known === undefined ? `Install ${needs} ` : `Type:\n\n  ${known[1]}\n\n`;
  return `${needs.replace(/,$/, '')} is needed: no ${programs.join(' or ')} on PATH, and none could be fetched. ${advice}and start again.`;
}
