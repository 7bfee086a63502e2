import { type ChildProcess, fork } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newId } from '#infra/kernel';
import { findPort, RedisServer, stackHome } from '#infra/testing';
import type { Done, Setting, SideName, Work } from '../cache/work.js';
import { median, type Outcome, rounded, run, say } from '../report.js';

const readerProgram = fileURLToPath(new URL('../cache/reader.js', import.meta.url));
const processes = 3;
const rounds = 20;
const askers = 100;
const loadMs = 100;
const loadsMaxOfThree = 2;
const keys = 100_000;
const reads = 999_999;
const aimedHitRate = 0.85;
const hotReads = 200_000;
const hotRounds = 3;
const aimedHitUs = 10;

/** A process of the bench: a cache of its own on the common Redis. */
class Reader {
  private constructor(private readonly child: ChildProcess) {}

  static async start(setting: Setting): Promise<Reader> {
    const child = fork(readerProgram, [JSON.stringify(setting)], { stdio: 'inherit' });
    const reader = new Reader(child);
    await reader.#said();
    return reader;
  }

  do(work: Work): Promise<Done> {
    const said = this.#said();
    this.child.send(work);
    return said as Promise<Done>;
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.exitCode !== null) return;
    this.child.disconnect();
    await gone;
  }

  #said(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error('a process of the bench ended'));
      this.child.once('exit', onExit);
      this.child.once('message', (message) => {
        this.child.off('exit', onExit);
        resolve(message);
      });
    });
  }
}

type Readers = readonly Reader[];

async function bench(): Promise<Outcome> {
  say('Bench cache: how often the source is asked, and what an answer from memory costs, beside cache-manager itself.');
  const home = mkdtempSync(join(tmpdir(), 'praxis-bench-cache-'));
  // Redis runs as a user of its own.
  chmodSync(home, 0o711);
  const port = await findPort('Redis', [], () => undefined);
  const place = { binariesHome: stackHome(), dataDir: join(home, 'redis'), port, password: '' };
  const redis = await RedisServer.start({ ...place, durability: 'fast', note: say });
  const readers: Reader[] = [];
  try {
    const setting = { redisUrl: redis.url, tenantId: newId() };
    for (let n = 0; n < processes; n += 1) readers.push(await Reader.start(setting));
    return await measure(readers);
  } finally {
    await Promise.all(readers.map((reader) => reader.stop()));
    await redis.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function measure(readers: Readers): Promise<Outcome> {
  const alone = await stampedes(readers.slice(0, 1), 'ours');
  const together = await stampedes(readers, 'ours');
  const peers = await stampedes(readers, 'peer');
  say(
    `${askers} want one missing key at once, ${rounds} times: at most ${alone} load(s) in one process, ${together} over ` +
      `${processes} processes (cache-manager: ${peers}).`,
  );
  const mine = await skewed(readers, 'ours');
  const theirs = await skewed(readers, 'peer');
  say(
    `${reads} reads, Zipf s = 0.99 over ${keys} keys, ${processes} processes, cold start included: ${percent(mine.hitRate)} ` +
      `hits (memory ${percent(mine.memoryRate)}, Redis ${percent(mine.redisRate)}, joined ${percent(mine.joinedRate)}); ` +
      `cache-manager over its own memory ${percent(theirs.hitRate)}.`,
  );
  const hit = await hot(readers);
  say(
    `An answer from memory costs ${hit.ours.toFixed(2)} µs of processor time (aim: under ${aimedHitUs}), cache-manager ` +
      `${hit.peer.toFixed(2)} µs, lru-cache with JSON.parse ${hit.bare.toFixed(2)} µs.`,
  );
  return {
    passed: alone === 1 && together <= loadsMaxOfThree && mine.hitRate >= aimedHitRate && hit.ours < aimedHitUs,
    figures: {
      loadsOfOneProcess: alone,
      loadsOfThreeProcesses: together,
      peerLoadsOfThreeProcesses: peers,
      askers,
      reads,
      keys,
      hitRate: rounded(mine.hitRate, 4),
      aimedHitRate,
      memoryHitRate: rounded(mine.memoryRate, 4),
      redisHitRate: rounded(mine.redisRate, 4),
      joinedRate: rounded(mine.joinedRate, 4),
      redisFailed: mine.redisFailed,
      loads: mine.loads,
      peerHitRate: rounded(theirs.hitRate, 4),
      peerLoads: theirs.loads,
      cpuUsPerRead: rounded(mine.cpuUs, 1),
      peerCpuUsPerRead: rounded(theirs.cpuUs, 1),
      memoryHitUs: rounded(hit.ours, 2),
      aimedMemoryHitUs: aimedHitUs,
      peerMemoryHitUs: rounded(hit.peer, 2),
      lruCacheHitUs: rounded(hit.bare, 2),
    },
  };
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** The most loads of a round. */
async function stampedes(readers: Readers, side: SideName): Promise<number> {
  let most = 0;
  for (let n = 0; n < rounds; n += 1) {
    const work = { do: 'stampede', side, key: `${readers.length}-${side}-${n}`, askers, loadMs } as const;
    const done = await Promise.all(readers.map((reader) => reader.do(work)));
    most = Math.max(most, total(done, 'loads'));
  }
  return most;
}

async function skewed(readers: Readers, side: SideName) {
  const each = reads / readers.length;
  const done = await Promise.all(
    readers.map((reader, n) => reader.do({ do: 'zipf', side, reads: each, keys, seed: 20_261_121 + n })),
  );
  const loads = total(done, 'loads');
  const share = (of: 'memoryHits' | 'redisHits' | 'joined') => total(done, of) / reads;
  return {
    loads,
    hitRate: 1 - loads / reads,
    memoryRate: share('memoryHits'),
    redisRate: share('redisHits'),
    joinedRate: share('joined'),
    redisFailed: total(done, 'redisFailed'),
    cpuUs: total(done, 'cpuUsPerRead') / readers.length,
  };
}

/** Microseconds of processor time, the median of rounds that take turns. */
async function hot([reader]: Readers) {
  const costs = { ours: [] as number[], peer: [] as number[], 'lru-cache': [] as number[] };
  for (let n = 0; n <= hotRounds; n += 1)
    for (const side of ['ours', 'peer', 'lru-cache'] as const) {
      const done = await reader?.do({ do: 'hits', side, reads: hotReads });
      if (done && n > 0) costs[side].push(done.cpuUsPerRead);
    }
  return { ours: median(costs.ours), peer: median(costs.peer), bare: median(costs['lru-cache']) };
}

const total = (done: readonly Done[], of: keyof Done): number => done.reduce((sum, each) => sum + each[of], 0);

await run('cache', bench);
