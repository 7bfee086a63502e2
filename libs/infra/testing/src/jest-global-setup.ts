import { registerHooks } from 'node:module';

/** Jest loads its setup and its teardown apart; only the global object is common to both. */
export const runningCluster = Symbol.for('praxis.test-cluster');

/** One cluster for a whole test run. Test processes find it through `testCluster()`. */
export default async (): Promise<void> => {
  if (process.env.PRAXIS_NO_CLUSTER === '1') return;
  const { startTestCluster } = await fromSource(() => import('./test-cluster.js'));
  const cluster = await startTestCluster();
  Object.assign(globalThis, { [runningCluster]: cluster });
};

/** Jest resolves the imports of tests, but leaves those of its setup to Node, which knows nothing of our sources. */
async function fromSource<T>(load: () => Promise<T>): Promise<T> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const ours = context.parentURL?.includes('/node_modules/') === false;
      if (specifier.startsWith('#'))
        return next(specifier, { ...context, conditions: [...context.conditions, 'source'] });
      if (ours && /^\.{1,2}\/.*\.js$/.test(specifier)) return next(specifier.replace(/\.js$/, '.ts'), context);
      return next(specifier, context);
    },
  });
  try {
    return await load();
  } finally {
    hooks.deregister();
  }
}
