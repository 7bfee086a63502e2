import { execFile } from 'node:child_process';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type LocalStack, projectRoot } from '#infra/testing';

const run = promisify(execFile);
const watched = ['apps', 'libs', 'migrations'] as const;
const settleMs = 60;
const relevant = /(?<!\.spec)\.(ts|lua|sql|json|html|css|js)$/;

/** Rebuilds and restarts the apps on every edit, one round at a time; edits during a round make one more. */
export function reloadOnEdit(stack: LocalStack, say: (line: string) => void): { close(): Promise<void> } {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();
  const start = () => {
    round = round.then(() => (changed.size === 0 ? undefined : reload(stack, takeAll(changed), say)));
  };
  const watchers = watched.map((folder) =>
    watch(join(projectRoot(), folder), { recursive: true }, (_, file) => {
      if (file === null || !relevant.test(file)) return;
      changed.add(`${folder}/${file}`);
      clearTimeout(timer);
      timer = setTimeout(start, settleMs);
    }),
  );
  return {
    async close() {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
      await round;
    },
  };
}

function takeAll(changed: Set<string>): readonly string[] {
  const all = [...changed];
  changed.clear();
  return all;
}

async function reload(stack: LocalStack, files: readonly string[], say: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  try {
    await run(process.execPath, ['tools/bootstrap.mjs', 'build'], { cwd: projectRoot() });
    if (files.some((file) => file.startsWith('migrations/'))) await stack.cli('migrate');
    await Promise.all(stack.apps.map((app) => app.stop()));
    await Promise.all(stack.apps.map((app) => app.start()));
    say(`${files.join(', ')}: reloaded in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    say(`${files.join(', ')}: not reloaded\n${stderr?.trim() || message}`);
  }
}
