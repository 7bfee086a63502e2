import type { LocalCluster } from './local-cluster.js';

/** Leaves no process and no file of the run's cluster, whatever the tests' outcome. */
export default async (): Promise<void> => {
  const holder = globalThis as { [key: symbol]: LocalCluster | undefined };
  await holder[Symbol.for('praxis.test-cluster')]?.stop();
};
