/** How a Redis Cluster stands, in the eyes of one of its primaries. */
export interface ClusterState {
  /** It serves; slots of a primary that is just being replaced may be excepted. */
  readonly state: 'ok' | 'fail';
  /** Of 16,384: slots whose primary answers. */
  readonly slotsOk: number;
  readonly knownNodes: number;
}

/** Reads the answer of CLUSTER INFO. */
export function clusterStateIn(info: string): ClusterState {
  const field = (name: string): string => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1] ?? '';
  return {
    state: field('cluster_state') === 'ok' ? 'ok' : 'fail',
    slotsOk: Number(field('cluster_slots_ok')),
    knownNodes: Number(field('cluster_known_nodes')),
  };
}
