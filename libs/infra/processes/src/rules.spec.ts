import fc from 'fast-check';
import { ConfigError, parseConfig } from '#infra/config';
import { agentLine } from './agent-check.js';
import { bytesOf } from './bytes.js';
import { crewSize, memoryPerWorkerBytes } from './crew-size.js';
import { drainMaxMs, endingMaxMs, inFlightMaxMs, inFlightMs } from './drain.js';
import { exitCodeOf } from './exit-codes.js';
import { exitMaxMs } from './leaving.js';
import { weightOf } from './load.js';
import { drainKillMs } from './primary.js';
import { processesConfig } from './processes.config.js';
import { checksInRow, engineLimitMb, HeapGuard, heapLimitBytes, jittered, Recycling } from './recycling.js';
import {
  afterEnd,
  bootAttemptsMax,
  longestDelayMs,
  newHistory,
  restartDelayMs,
  shouldGiveUp,
  stableAfterMs,
} from './restarts.js';

const gb = 2 ** 30;
const read = (environment: Record<string, string> = {}) => parseConfig({ it: processesConfig }, environment).it;

describe('what processes read from the environment', () => {
  it('is one process, 2 GB of heap, no limit of requests, a wait of 5 s and no agent', () => {
    expect(read()).toEqual({
      concurrency: 1,
      maxHeap: '2GB',
      maxRequests: 0,
      checkEveryMs: 5_000,
      drainWaitMs: 5_000,
      agentPort: 0,
      agentHost: '0.0.0.0',
    });
    expect(read({ WEB_CONCURRENCY: 'auto' }).concurrency).toBe('auto');
    expect(read({ WEB_CONCURRENCY: '4' }).concurrency).toBe(4);
  });

  it.each([
    ['WEB_CONCURRENCY', ['0', '-1', '1.5', '129', 'all']],
    ['WORKER_MAX_HEAP', ['2', '2TB', 'GB', '31MB', '65GB', '2GB4', '1e3MB']],
    ['WORKER_MAX_REQUESTS', ['-1', 'many']],
    ['DRAIN_WAIT', ['10001', '-1']],
    ['AGENT_PORT', ['65536']],
  ])('%s is refused by its name where it makes no sense', (name, values) => {
    for (const value of values) {
      expect(() => read({ [name]: value })).toThrow(ConfigError);
      expect(() => read({ [name]: value })).toThrow(name);
    }
  });

  it('takes sizes as people write them', () => {
    const sizes = ['2GB', '512MB', '1.5 gb', '2048MB', '64kb'].map(bytesOf);
    expect(sizes).toEqual([2 * gb, 512 * 2 ** 20, 1.5 * gb, 2 * gb, 64 * 2 ** 10]);
    expect([bytesOf('2'), bytesOf('2TB'), bytesOf(' 2GB'), bytesOf('-2GB'), bytesOf('')]).toEqual(
      Array(5).fill(undefined),
    );
  });
});

describe('the size of a crew', () => {
  it('[D-007] is processors − 1 where it is left to the machine, at least 1', () => {
    const memoryBytes = 1_000 * gb;
    const sizes = [1, 2, 3, 8, 64].map((processors) => crewSize('auto', { processors, memoryBytes }));
    expect(sizes).toEqual([1, 1, 2, 7, 63]);
  });

  it('is never more than memory can hold at 2.5 GB each', () => {
    const sizes = [1, 2.4, 5, 7.4, 7.5, 64].map((n) => crewSize('auto', { processors: 8, memoryBytes: n * gb }));
    expect(sizes).toEqual([1, 1, 2, 2, 3, 7]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), fc.integer({ min: 0, max: 4_096 }), (processors, n) => {
        const size = crewSize('auto', { processors, memoryBytes: n * gb });
        expect(size === 1 || (size <= processors - 1 && size * memoryPerWorkerBytes <= n * gb)).toBe(true);
      }),
    );
  });

  it('is what was asked for, whatever the machine', () => {
    expect(crewSize(4, { processors: 1, memoryBytes: gb })).toBe(4);
  });
});

describe('a place whose workers end', () => {
  it('gets the first replacement at once, then after longer and longer waits, up to a limit', () => {
    const delays = Array.from({ length: 12 }, (_, n) => restartDelayMs(n));
    expect(delays.slice(0, 5)).toEqual([0, 250, 500, 1_000, 2_000]);
    expect(delays.at(-1)).toBe(longestDelayMs);
    expect(delays.every((delay, n) => n === 0 || delay >= (delays[n - 1] ?? 0))).toBe(true);
  });

  it('starts to count anew when a worker served for a minute', () => {
    const crashing = afterEnd(afterEnd(newHistory, 100), 100);
    expect(crashing).toEqual({ endsInRow: 2, failedBoots: 0 });
    expect(afterEnd(crashing, stableAfterMs)).toEqual(newHistory);
    expect(afterEnd(crashing, undefined)).toEqual({ endsInRow: 3, failedBoots: 1 });
    expect(afterEnd({ endsInRow: 2, failedBoots: 2 }, 5)).toEqual({ endsInRow: 3, failedBoots: 0 });
  });

  it('is given up when three in a row did not start and nobody else serves', () => {
    expect(shouldGiveUp(bootAttemptsMax - 1, false)).toBe(false);
    expect(shouldGiveUp(bootAttemptsMax, false)).toBe(true);
    expect(shouldGiveUp(bootAttemptsMax + 40, true)).toBe(false);
  });

  it('counts an end by a signal as a shell does', () => {
    expect(exitCodeOf({ code: 7, signal: null })).toBe(7);
    expect(exitCodeOf({ code: null, signal: 'SIGKILL' })).toBe(137);
    expect(exitCodeOf({ code: null, signal: null })).toBe(1);
  });
});

describe('the heap', () => {
  it('is too large when three looks in a row find it so', () => {
    const guard = new HeapGuard(100);
    const found = [101, 101, 100, 101, 101, 101, 101, 1].map((heap) => guard.isTooLarge(heap));
    expect(found).toEqual([false, false, false, false, false, true, true, false]);
    expect(checksInRow).toBe(3);
  });

  it('is held to what Node leaves room for, and workers get an engine with that room', () => {
    expect(heapLimitBytes(2 * gb, 4 * gb)).toBe(2 * gb);
    expect(heapLimitBytes(2 * gb, 2 * gb)).toBe(Math.floor(1.6 * gb));
    fc.assert(
      fc.property(fc.integer({ min: 32 * 2 ** 20, max: 64 * gb }), (limit) => {
        expect(heapLimitBytes(limit, engineLimitMb(limit) * 2 ** 20)).toBe(limit);
      }),
    );
  });
});

describe('the limit of requests', () => {
  it('[C-063] is spread by 10 % to both sides, and off at 0', () => {
    expect([0, 0.5, 1].map((random) => jittered(1_000, random))).toEqual([900, 1_000, 1_100]);
    expect(jittered(1, 0)).toBe(1);
    const asked: string[] = [];
    const rules = { heapLimitBytes: gb, checkEveryMs: 1_000, retire: (reason: string) => void asked.push(reason) };
    const count = (requestLimit: number, requests: number) => {
      const recycling = new Recycling({ ...rules, requestLimit });
      for (let n = 0; n < requests; n += 1) recycling.countRequest();
    };
    count(0, 10_000);
    count(100, 99);
    expect(asked).toEqual([]);
    count(100, 150);
    expect(asked).toEqual(['requests']);
  });
});

describe('what a balancer hears', () => {
  it('is half the weight at twice the delay, and never nothing', () => {
    expect([0, 10, 20, 40, 100, 10_000].map(weightOf)).toEqual([100, 100, 50, 25, 10, 5]);
  });

  it('is a line of HAProxy’s agent protocol that takes back what was said before', () => {
    expect([agentLine(75), agentLine('drain'), agentLine('down')]).toEqual(['ready up 75%\n', 'drain\n', 'down\n']);
  });
});

describe('the end of a process', () => {
  it('takes less than 35 s, however long it waited for the balancer', () => {
    expect(inFlightMs(5_000)).toBe(inFlightMaxMs);
    for (const waitMs of [0, 5_000, 10_000])
      expect(waitMs + inFlightMs(waitMs) + endingMaxMs).toBeLessThanOrEqual(drainMaxMs);
    expect(drainMaxMs).toBeLessThan(exitMaxMs);
    expect(exitMaxMs).toBeLessThan(drainKillMs);
    expect(drainKillMs).toBeLessThan(35_000);
  });
});
