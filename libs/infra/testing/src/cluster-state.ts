import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from './places.js';

/** What a home remembers between runs: passwords made at its first start, and the ports of the last one. */
export interface ClusterState {
  readonly superuserPassword: string;
  readonly redisPassword: string;
  readonly ports: {
    readonly servers?: readonly number[];
    readonly replica?: number;
    readonly redis?: number;
    readonly redisNodes?: readonly number[];
  };
}

const fileOf = (home: string): string => join(home, 'state.json');

export function readState(home: string): ClusterState {
  let text: string;
  try {
    text = readFileSync(fileOf(home), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const fresh = { superuserPassword: newPassword(), redisPassword: newPassword(), ports: {} };
    writeState(home, fresh);
    return fresh;
  }
  try {
    return JSON.parse(text) as ClusterState;
  } catch (cause) {
    throw new StackError(`${fileOf(home)} is damaged; \`npm run reset\` starts over`, { cause });
  }
}

export function writeState(home: string, state: ClusterState): void {
  writeFileSync(fileOf(home), `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
}

/** Letters and digits only, so that it fits into URLs and settings without quoting. */
export const newPassword = (): string => randomBytes(12).toString('hex');
