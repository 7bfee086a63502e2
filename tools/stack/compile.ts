import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { transformFile } from '@swc/core';
import { projectRoot } from '#infra/testing';

/** Brings dist/ up to date with single files, as the build does with all of them. Paths are relative to the project. */
export async function compileFiles(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const source = join(projectRoot(), file);
    const target = join(projectRoot(), 'dist', file.replace(/\.ts$/, '.js'));
    if (!existsSync(source)) remove(target);
    else if (file.endsWith('.ts')) await compile(source, target);
    else copy(source, target);
  }
}

async function compile(source: string, target: string): Promise<void> {
  const { code, map } = await transformFile(source, { cwd: projectRoot(), swcrc: true });
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, `${code}\n//# sourceMappingURL=${basename(target)}.map\n`);
  if (map !== undefined) writeFileSync(`${target}.map`, map);
}

function copy(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
}

function remove(target: string): void {
  rmSync(target, { force: true });
  rmSync(`${target}.map`, { force: true });
}
