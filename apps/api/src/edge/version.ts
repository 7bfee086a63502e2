import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const maxLevels = 8;

/** The product's version, from the package.json above this file, in sources as in the build. */
export function productVersion(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (let level = 0; level < maxLevels; level += 1) {
    const file = path.join(folder, 'package.json');
    if (existsSync(file)) return String(JSON.parse(readFileSync(file, 'utf8')).version);
    folder = path.dirname(folder);
  }
  throw new Error('no package.json above the program');
}
