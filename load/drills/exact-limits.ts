import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RedisCluster } from '#infra/testing';
import { leaseOf } from '#infra/throttling';
import type { Called, CallOrder } from '../limits/caller.js';
import { type Outcome, rounded, run, say } from '../report.js';

const program = fileURLToPath(new URL('../limits/caller.js', import.meta.url));
const limit = 500;
/** 2,000 in all, over three processes. */
const callsOf = [667, 667, 666] as const;
const rounds = 5;
/** Calls of one process that wait for Redis at a time. */
const atOnce = 64;
/** On a busy machine Redis may take its time: what is shown is who is counted, not how fast. */
const deadlineMs = 250;

type Leases = 'off' | 'on';

async function drill(): Promise<Outcome> {
  const calls = callsOf.reduce((all, each) => all + each, 0);
  const bound = limit + callsOf.length * leaseOf(limit);
  say(`Drill exact-limits: ${calls} parallel calls against a limit of ${limit}, over ${callsOf.length} processes.`);
  say(
    `Each process has ${atOnce} calls under way; the limits count in a Redis Cluster of six nodes. ${rounds} rounds from a new address each: with leases off exactly ` +
      `${limit} pass; with leases on, at most ${limit} + ${callsOf.length} × ${leaseOf(limit)} = ${bound}.`,
  );
  const cluster = await RedisCluster.startTemporary();
  try {
    const off = await inRounds(cluster, 'off');
    const on = await inRounds(cluster, 'on');
    const exact = off.passed.every((passed) => passed === limit);
    const bounded = on.passed.every((passed) => passed >= limit && passed <= bound);
    return {
      passed: exact && bounded && off.late + on.late === 0,
      figures: {
        calls,
        limit,
        processes: callsOf.length,
        atOnce: atOnce * callsOf.length,
        rounds,
        passedWithoutLeases: off.passed.join(' '),
        passedWithLeases: on.passed.join(' '),
        bound,
        callsByLease: on.byLease,
        lateAnswers: off.late + on.late,
        cpuUsPerCall: rounded(off.cpuUs / (rounds * calls)),
      },
    };
  } finally {
    await cluster.stop();
  }
}

interface Rounds {
  readonly passed: readonly number[];
  readonly late: number;
  readonly byLease: number;
  readonly cpuUs: number;
}

async function inRounds(cluster: RedisCluster, leases: Leases): Promise<Rounds> {
  const callers = await Promise.all(callsOf.map(() => start(cluster, leases)));
  const called: Called[][] = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      const ip = `203.0.${leases === 'on' ? 113 : 112}.${round}`;
      called.push(await Promise.all(callers.map((caller, n) => order(caller, { ip, calls: callsOf[n] ?? 0, atOnce }))));
    }
  } finally {
    await Promise.all(callers.map(stop));
  }
  const passed = called.map((round) => round.reduce((all, each) => all + each.passed, 0));
  say(`  leases ${leases}: ${passed.join(', ')} passed.`);
  const sum = (of: (each: Called) => number) => called.flat().reduce((all, each) => all + of(each), 0);
  return { passed, late: sum(({ late }) => late), byLease: sum(({ byLease }) => byLease), cpuUs: sum((c) => c.cpuUs) };
}

async function start(cluster: RedisCluster, leases: Leases): Promise<ChildProcess> {
  const settings = {
    ...cluster.env,
    RATE_LIMIT_GENERAL: String(limit),
    RATE_LIMIT_ANONYMOUS: '1000000',
    RATE_LIMIT_LEASES: String(leases === 'on'),
    RATE_LIMIT_DEADLINE: String(deadlineMs),
    EXPECTED_NODES: String(callsOf.length),
  };
  const caller = fork(program, [], { env: { ...process.env, ...settings }, stdio: 'inherit' });
  await message(caller);
  return caller;
}

function order(caller: ChildProcess, what: CallOrder): Promise<Called> {
  const answer = message(caller) as Promise<Called>;
  caller.send(what);
  return answer;
}

async function message(caller: ChildProcess): Promise<unknown> {
  const ended = new AbortController();
  const exit = once(caller, 'exit', ended).then(([code]) => {
    throw new Error(`a caller ended early, with ${code}`);
  });
  exit.catch(() => undefined);
  try {
    const [said] = await Promise.race([once(caller, 'message', ended), exit]);
    return said;
  } finally {
    ended.abort();
  }
}

async function stop(caller: ChildProcess): Promise<void> {
  if (caller.exitCode !== null) return;
  const gone = once(caller, 'exit');
  caller.disconnect();
  await gone;
}

await run('exact-limits', drill);
