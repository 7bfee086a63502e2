import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './places.js';

const assets = /\.(lua|sql|json|html|css|js|svg|png|woff2|txt|yml)$/;

/** The present sources as the build makes them, in a folder of their own: what dist/ holds may be older. */
export class CompiledProduct {
  readonly #home = mkdtempSync(join(tmpdir(), 'praxis-compiled-'));

  constructor(...folders: readonly string[]) {
    const root = projectRoot();
    const swc = join(root, 'node_modules/@swc/cli/bin/swc.js');
    const dist = join(this.#home, 'dist');
    const options = ['-d', dist, '--extensions', '.ts', '--config-file', '.swcrc', '--quiet'];
    const { status, stderr } = spawnSync(process.execPath, [swc, ...folders, ...options], {
      cwd: root,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`the sources do not compile:\n${stderr}`);
    for (const folder of folders)
      cpSync(join(root, folder), join(dist, folder), {
        recursive: true,
        filter: (path) => !/\.[a-z0-9]+$/.test(path) || assets.test(path),
      });
    copyFileSync(join(root, 'package.json'), join(this.#home, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(this.#home, 'node_modules'));
  }

  /** Where a program is, by its path among the sources. */
  program(source: string): string {
    return join(this.#home, 'dist', source.replace(/\.ts$/, '.js'));
  }

  file(name: string): string {
    return join(this.#home, name);
  }

  remove(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}
