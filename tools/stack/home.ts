import { join } from 'node:path';
import { stackHome } from '#infra/testing';

/** Data, passwords and logs of `npm start`; `npm run reset` removes it. Binaries lie beside it and stay. */
export const stackDataFolder = (): string => join(stackHome(), 'data');

/** What the operator's verbs need to reach the stack, readable by its owner only. */
export const environmentFile = (): string => join(stackDataFolder(), 'environment.json');
