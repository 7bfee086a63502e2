import { watch } from 'node:fs';
import { join } from 'node:path';
import { type AppProcess, type LocalStack, projectRoot } from '#infra/testing';
import { compileFiles } from './compile.js';

const watched = ['apps', 'libs', 'migrations'] as const;
const settleMs = 60;
const relevant = /(?<!\.spec|\.d)\.(ts|lua|sql|json|html|css|js|svg)$/;

/** Compiles what was edited and restarts the apps that it concerns, one round at a time; edits during a round make one more. */
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

/** The apps drain while their new code is compiled; when it does not compile, they come back as they were. */
async function reload(stack: LocalStack, files: readonly string[], say: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  const apps = appsOf(stack, files);
  try {
    const [compiled] = await Promise.allSettled([compileFiles(files), ...apps.map((app) => app.stop())]);
    if (compiled?.status === 'fulfilled' && files.some((file) => file.startsWith('migrations/')))
      await stack.cli('migrate');
    await Promise.all(apps.map((app) => app.start()));
    if (compiled?.status === 'rejected') throw compiled.reason;
    say(`${files.join(', ')}: reloaded in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  } catch (error) {
    say(`${files.join(', ')}: not reloaded\n${error instanceof Error ? error.message : String(error)}`);
  }
}

/** An edit inside one app concerns that app; any other concerns them all. */
function appsOf(stack: LocalStack, files: readonly string[]): readonly AppProcess[] {
  const touched = new Set(files.map((file) => /^apps\/([^/]+)\//.exec(file)?.[1] ?? 'all'));
  if (touched.has('all')) return stack.apps;
  return stack.apps.filter(({ kind }) => touched.has(kind));
}
