import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot, StackError } from '#infra/testing';
import { environmentFile, meantFolder } from './stack/home.js';
import { readableText } from './stack/log-lines.js';
import { StackUsageError, stackUsage, stackVerb } from './stack/verb.js';
import { down, status, up } from './stack/whole-stack.js';

/** `npm run praxis -- …`: the operator's verbs, on the stack that runs here; `stack …` runs one. */
const args = process.argv.slice(2);
const say = (line: string): void => console.log(line);
process.exitCode = args[0] === 'stack' ? await onStack(args.slice(1)) : onProduct();

function onProduct(): number {
  const file = environmentFile(meantFolder());
  const stack = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>) : {};
  const main = join(projectRoot(), 'dist/apps/cli/src/main.js');
  const run = spawnSync(process.execPath, ['--enable-source-maps', main, ...args], {
    stdio: 'inherit',
    env: { ...process.env, ...stack },
  });
  if (args.length === 0 || args[0] === 'help' || args[0] === '--help') say(`On this machine:\n\n  ${stackUsage}\n`);
  return run.status ?? 1;
}

async function onStack(asked: readonly string[]): Promise<number> {
  try {
    const verb = stackVerb(asked);
    if (verb.verb === 'up') return await up(verb, Number(process.env.PRAXIS_STARTED_AT_MS ?? Date.now()), say);
    return await (verb.verb === 'status' ? status(say) : down(say));
  } catch (error) {
    if (error instanceof StackUsageError) console.error(`${error.message}\nusage: ${stackUsage}`);
    else if (error instanceof StackError) console.error(readableText(error.message));
    else throw error;
    return error instanceof StackUsageError ? 2 : 1;
  }
}
