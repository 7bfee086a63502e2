import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Client } from 'pg';
import { systemClock } from '#infra/kernel';
import { EtcdServer } from './etcd-server.js';
import { type HomeLock, lockHome } from './home-lock.js';
import { PatroniNode } from './patroni-node.js';
import { PatroniProxy } from './patroni-proxy.js';
import { makeHome, StackError } from './places.js';
import type { Login } from './postgres-server.js';
import { waitUntil } from './processes.js';
import { removeHome, temporaryHome } from './temporary-home.js';

/** A node as Patroni tells of it. */
export interface PatroniMember {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly timeline?: number;
}

interface Parts {
  readonly etcd: EtcdServer;
  readonly nodes: readonly [PatroniNode, PatroniNode];
  readonly proxy: PatroniProxy;
}

const host = '127.0.0.1';
const settledTimeoutMs = 120_000;
const askTimeoutMs = 2_000;
const passwordBytes = 24;
const running: ReadonlySet<string> = new Set(['running', 'streaming']);

/** PostgreSQL of the system on two nodes under Patroni and etcd, with a synchronous standby, HAProxy before them. */
export class PatroniCluster {
  private constructor(
    private readonly home: string,
    private readonly lock: HomeLock,
    readonly superuser: Login,
    private readonly parts: Parts,
  ) {}

  /** Resolves when the second node is the synchronous standby of the first, and the proxy leads there. */
  static async start(superuser: Login, note: (line: string) => void): Promise<PatroniCluster> {
    const home = await temporaryHome(systemClock.now());
    makeHome(home);
    const lock = lockHome(home);
    if ('heldBy' in lock) throw new StackError(`process ${lock.heldBy} holds ${home}`);
    const begun: { stop(): Promise<void> }[] = [];
    try {
      const parts = await startParts(home, superuser, note, begun);
      const cluster = new PatroniCluster(home, lock, superuser, parts);
      await cluster.settled();
      return cluster;
    } catch (error) {
      for (const part of begun.reverse()) await part.stop();
      lock.release();
      removeHome(home);
      throw error;
    }
  }

  /** Where the primary answers, whichever node it is. */
  get primary(): { readonly host: string; readonly port: number } {
    return { host, port: this.parts.proxy.primaryPort };
  }

  /** Where standbys that are close behind it answer. */
  get replica(): { readonly host: string; readonly port: number } {
    return { host, port: this.parts.proxy.replicaPort };
  }

  get nodes(): readonly PatroniNode[] {
    return this.parts.nodes;
  }

  /** As the first node says that answers; empty when none does. */
  async members(): Promise<readonly PatroniMember[]> {
    for (const { restPort } of this.nodes) {
      const found = await ask(`http://${host}:${restPort}/cluster`);
      if (found !== undefined) return found;
    }
    return [];
  }

  /** Undefined while there is none. */
  async leader(): Promise<PatroniNode | undefined> {
    const leading = (await this.members()).find(({ role, state }) => role === 'leader' && running.has(state));
    return this.nodes.find(({ name }) => name === leading?.name);
  }

  /** Resolves when one node leads and the other is its synchronous standby on the same timeline. */
  async settled(): Promise<void> {
    const isSettled = async () => {
      const members = (await this.members()).filter(({ state }) => running.has(state));
      const [leader, standby] = ['leader', 'sync_standby'].map((role) => members.find((m) => m.role === role));
      return leader !== undefined && standby !== undefined && leader.timeline === standby.timeline;
    };
    if (await waitUntil(isSettled, settledTimeoutMs)) return;
    const logs = this.nodes.map(({ name, log }) => `${name}:\n${log}`).join('\n');
    throw new StackError(`Patroni names no synchronous standby: ${JSON.stringify(await this.members())}\n${logs}`);
  }

  /** Runs `work` on one connection of the superuser, through the proxy unless a node is named. */
  async asSuperuser<T>(work: (client: Client) => Promise<T>, database: string, at = this.primary): Promise<T> {
    const client = new Client({ ...at, ...this.superuser, database });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    const { proxy, nodes, etcd } = this.parts;
    try {
      await proxy.stop();
      await Promise.all(nodes.map((node) => node.stop()));
      await etcd.stop();
    } finally {
      this.lock.release();
      removeHome(this.home);
    }
  }

  /** For the last moment of a process that cannot wait any more. */
  stopWithoutWaiting(): void {
    const { proxy, nodes, etcd } = this.parts;
    for (const part of [proxy, ...nodes, etcd]) part.stopWithoutWaiting();
    this.lock.release();
    removeHome(this.home);
  }
}

async function startParts(
  home: string,
  superuser: Login,
  note: (line: string) => void,
  begun: { stop(): Promise<void> }[],
): Promise<Parts> {
  const noted = <P extends { stop(): Promise<void> }>(part: P): P => {
    begun.push(part);
    return part;
  };
  const password = () => randomBytes(passwordBytes).toString('base64url');
  const logins = { superuser, replicationPassword: password(), rewindPassword: password() };
  const etcd = noted(await EtcdServer.start(join(home, 'etcd'), note));
  const node = async (name: string) =>
    noted(await PatroniNode.start({ name, folder: join(home, name), store: etcd.address, logins, note }));
  const nodes = [await node('node-1'), await node('node-2')] as const;
  return { etcd, nodes, proxy: noted(await PatroniProxy.start(home, nodes, note)) };
}

async function ask(url: string): Promise<readonly PatroniMember[] | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(askTimeoutMs) });
    return ((await answer.json()) as { members: readonly PatroniMember[] }).members;
  } catch {
    return undefined;
  }
}
