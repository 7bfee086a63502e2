/** What a process of the bench is asked to do, and what it says afterwards. */
export type Work =
  | {
      readonly do: 'stampede';
      readonly side: SideName;
      readonly key: string;
      readonly askers: number;
      readonly loadMs: number;
    }
  | {
      readonly do: 'zipf';
      readonly side: SideName;
      readonly reads: number;
      readonly keys: number;
      readonly seed: number;
    }
  | { readonly do: 'hits'; readonly side: SideName | 'lru-cache'; readonly reads: number };

/** `ours`: libs/infra/cache; `peer`: cache-manager's own `wrap` over its own memory. */
export type SideName = 'ours' | 'peer';

export interface Done {
  readonly loads: number;
  readonly memoryHits: number;
  readonly redisHits: number;
  /** Joined the load of another read of the same process. */
  readonly joined: number;
  /** Redis was away, or took longer than its deadline: the read went to the source. */
  readonly redisFailed: number;
  readonly seconds: number;
  readonly cpuUsPerRead: number;
}

export interface Setting {
  readonly redisUrl: string;
  readonly tenantId: string;
}
