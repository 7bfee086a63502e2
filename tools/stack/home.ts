import { join } from 'node:path';
import { holderOf, stackHome } from '#infra/testing';

/** Data, passwords and logs of `npm start`; `npm run reset` removes it. Binaries lie beside it and stay. */
export const stackDataFolder = (): string => join(stackHome(), 'data');

/** The same of `praxis stack up`, which may run beside it. */
export const wholeStackFolder = (): string => join(stackHome(), 'stack');

/** What the operator's verbs need to reach a stack, readable by its owner only. */
export const environmentFile = (folder = stackDataFolder()): string => join(folder, 'environment.json');

/** The stack that the operator's verbs mean: the one that runs, `npm start`'s where both do or none does. */
export function meantFolder(): string {
  const [usual, whole] = [stackDataFolder(), wholeStackFolder()];
  return holderOf(usual) === undefined && holderOf(whole) !== undefined ? whole : usual;
}
