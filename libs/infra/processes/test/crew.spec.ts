import { rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { findPort, isAlive } from '#infra/testing';
import { memoryPerWorkerBytes, thisMachine } from '../src/crew-size.js';
import { fixtureRig } from './fixture-rig.js';
import { ask } from './running-program.js';

const { start, startCrew, askAllTheTime, file } = fixtureRig();

describe('a crew', () => {
  it('[D-007] [D-009] with `auto` has processors − 1 workers; with 4, none gets more than twice another’s share', async () => {
    const auto = await start({ WEB_CONCURRENCY: 'auto' });
    const byMemory = Math.floor(thisMachine().memoryBytes / memoryPerWorkerBytes);
    const expected = Math.max(1, Math.min(availableParallelism() - 1, byMemory));
    await auto.until(() => auto.alive().length === expected);
    await sleep(500);
    expect(auto.pids()).toHaveLength(expected);
    expect(auto.pids()).not.toContain(auto.pid);

    const four = await startCrew(4);
    const askMany = () => Promise.all(Array.from({ length: 400 }, () => four.ask('/slow?amount=5')));
    // Whoever started first is given the most until all have started.
    await askMany();
    const answers = [...(await askMany()), ...(await askMany())];
    const shares = four.pids().map((pid) => answers.filter(({ body }) => body === String(pid)).length);
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(Math.max(...shares) / Math.min(...shares)).toBeLessThanOrEqual(2);
  });

  it('[D-011] replaces its workers one by one at SIGHUP, while clients ask all the time, and no request fails', async () => {
    const crew = await startCrew(2);
    const before = crew.alive();
    const steady = askAllTheTime(crew);
    await crew.until(() => steady.answers.length > 100);
    let mostAtOnce = 0;
    crew.signal('SIGHUP');
    await crew.until(() => {
      mostAtOnce = Math.max(mostAtOnce, crew.alive().length);
      return crew.of('cluster.rolled').length === 1;
    });
    await steady.stop();
    expect(steady.failed).toEqual([]);
    expect(crew.alive()).toHaveLength(2);
    expect(before.filter(isAlive)).toEqual([]);
    expect(mostAtOnce).toBe(3);
    const served = new Set(steady.answers.map(({ body }) => Number(body)));
    expect(crew.pids().every((pid) => served.has(pid))).toBe(true);
    expect(crew.of('cluster.worker_ended').map((line) => line['process.exit_code'])).toEqual([0, 0]);
  });

  it('keeps who serves when a rolling restart brings workers that do not start', async () => {
    const crashFile = file('crash-at-roll');
    const crew = await startCrew(2, { FIXTURE_CRASH_FILE: crashFile });
    const before = crew.alive();
    writeFileSync(crashFile, '');
    const steady = askAllTheTime(crew);
    crew.signal('SIGHUP');
    await crew.until(() => crew.of('cluster.roll_stopped').length === 1);
    rmSync(crashFile);
    await steady.stop();
    expect(steady.failed).toEqual([]);
    expect(crew.alive()).toEqual(before);
    crew.signal('SIGHUP');
    await crew.until(() => crew.of('cluster.rolled').length === 1);
  });

  it('replaces a worker that was killed, and only that one', async () => {
    const crew = await startCrew(2);
    const [first = 0, second = 0] = crew.alive();
    process.kill(first, 'SIGKILL');
    await crew.until(() => crew.pids().length === 3 && crew.alive().length === 2);
    await sleep(500);
    expect(crew.pids()).toHaveLength(3);
    expect(isAlive(second)).toBe(true);
    expect(crew.of('cluster.worker_ended')).toMatchObject([{ 'process.exit_code': 137, 'event.reason': 'crash' }]);
  });

  it('has a worker that gets SIGTERM replaced once, and first', async () => {
    const crew = await startCrew(2);
    const steady = askAllTheTime(crew);
    const [first = 0] = crew.alive();
    process.kill(first, 'SIGTERM');
    await crew.until(() => !isAlive(first));
    expect(crew.pids()).toHaveLength(3);
    await sleep(500);
    await steady.stop();
    expect(steady.failed).toEqual([]);
    expect(crew.pids()).toHaveLength(3);
    expect(crew.alive()).toHaveLength(2);
  });

  it('drains all workers at the same time at SIGTERM: what is inside is answered, then everybody is gone with 0', async () => {
    const crew = await startCrew(3, { DRAIN_WAIT: '500' });
    const inside = Array.from({ length: 9 }, () => crew.ask('/slow?amount=1500'));
    await sleep(200);
    const startedAt = performance.now();
    crew.signal('SIGTERM');
    await crew.until(() => crew.of('drain.announced').length === 3);
    const late = await crew.ask('/health/ready');
    const answers = await Promise.all(inside);
    expect(answers.map(({ status }) => status)).toEqual(Array(9).fill(200));
    expect(late.status).toBe(503);
    expect(await crew.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedAt).toBeLessThan(35_000);
    expect(crew.alive()).toEqual([]);
    await expect(crew.ask('/')).rejects.toThrow('ECONNREFUSED');
  });

  it('drains once when the signal comes to workers and primary alike, as from a terminal or a service manager', async () => {
    const crew = await startCrew(2);
    const inside = crew.ask('/slow?amount=1000');
    await sleep(200);
    for (const pid of [...crew.alive(), crew.pid]) process.kill(pid, 'SIGTERM');
    expect((await inside).status).toBe(200);
    expect(await crew.exited).toEqual({ code: 0, signal: null });
    expect(crew.of('drain.done')).toHaveLength(2);
    expect(crew.alive()).toEqual([]);
  });

  it('ends at once at a second signal', async () => {
    const crew = await startCrew(2, { DRAIN_WAIT: '10000' });
    crew.signal('SIGTERM');
    await crew.until(() => crew.of('drain.announced').length === 2);
    crew.signal('SIGTERM');
    expect(await crew.exited).toEqual({ code: 1, signal: null });
    await crew.until(() => crew.alive().length === 0);
  });

  it('leaves nobody behind when its primary is killed', async () => {
    const crew = await startCrew(2);
    expect(crew.alive()).toHaveLength(2);
    crew.signal('SIGKILL');
    await crew.until(() => crew.alive().length === 0);
    expect(await crew.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('says what is wrong with its configuration once, and exits with 1', async () => {
    const program = await start({ WEB_CONCURRENCY: '4', WORKER_MAX_HEAP: 'much', DRAIN_WAIT: '-1' });
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.words.filter((line) => line.includes('WORKER_MAX_HEAP'))).toHaveLength(1);
    expect(program.words.filter((line) => line.includes('DRAIN_WAIT'))).toHaveLength(1);
    expect(program.pids()).toEqual([]);
  });

  it('ends with the exit code of workers that end before they are ready, after a few attempts', async () => {
    const crashFile = file('crash-at-boot');
    writeFileSync(crashFile, '');
    const program = await start({ WEB_CONCURRENCY: '2', FIXTURE_CRASH_FILE: crashFile });
    expect(await program.exited).toEqual({ code: 7, signal: null });
    const ended = program.of('cluster.worker_ended').length;
    expect(ended).toBeGreaterThanOrEqual(3);
    expect(ended).toBeLessThanOrEqual(6);
    expect(program.of('cluster.gave_up')).toMatchObject([{ 'praxis.attempts': 3, 'process.exit_code': 7 }]);
  });
});

describe('the metrics of a crew', () => {
  const numberAt = (text: string, series: string): number =>
    Number(new RegExp(`^${series.replaceAll(/[{}"]/g, '\\$&')} (.+)$`, 'm').exec(text)?.[1]);
  const requests = 'fixture_requests_total{path="/"}';

  it('are those of all workers, whoever is asked, and never fall when workers are replaced', async () => {
    const crew = await startCrew(3);
    for (let n = 0; n < 30; n += 1) await crew.ask('/');
    const scrapes = await Promise.all(Array.from({ length: 6 }, () => crew.ask('/metrics')));
    for (const { body } of scrapes) {
      expect(numberAt(body, requests)).toBe(30);
      expect(body).toContain('app_info{service="praxis",app="fixture",version="0"} 1\n');
      expect(numberAt(body, 'cluster_workers{state="serving"}')).toBe(3);
    }
    const alone = numberAt(scrapes[0]?.body ?? '', 'process_resident_memory_bytes');
    expect(alone).toBeGreaterThan(3 * 30e6);
    crew.signal('SIGHUP');
    await crew.until(() => crew.of('cluster.rolled').length === 1);
    for (let n = 0; n < 5; n += 1) await crew.ask('/');
    const after = (await crew.ask('/metrics')).body;
    expect(numberAt(after, requests)).toBe(35);
    expect(numberAt(after, 'cluster_worker_ends_total{reason="restart"}')).toBe(3);
  });

  it('show a worker that does not answer by its last numbers, in time', async () => {
    const crew = await startCrew(2);
    for (let n = 0; n < 10; n += 1) await crew.ask('/');
    await crew.ask('/metrics');
    const busy = crew.ask('/busy?amount=4000');
    await sleep(200);
    const startedAt = performance.now();
    const { body } = await crew.ask('/metrics');
    expect(numberAt(body, requests)).toBe(10);
    expect(performance.now() - startedAt).toBeLessThan(3_500);
    await busy;
  });
});

describe('the agent-check', () => {
  const line = async (port: number): Promise<string> => {
    const { connect } = await import('node:net');
    return new Promise((resolve, reject) => {
      let heard = '';
      connect(port, '127.0.0.1')
        .setEncoding('utf8')
        .on('data', (text: string) => {
          heard += text;
        })
        .once('end', () => resolve(heard))
        .once('error', reject);
    });
  };

  it('gives a crew its full weight, less while workers are missing or late, and drains it before it goes', async () => {
    const agentPort = await findPort('the agent', [], () => undefined);
    const crew = await startCrew(2, { AGENT_PORT: String(agentPort), DRAIN_WAIT: '800' });
    await waitForLine(agentPort, /^ready up ([6-9]\d|100)%\n$/);
    const steady = askAllTheTime(crew, '/busy?amount=150', { count: 16 });
    await waitForLine(agentPort, /^ready up (\d|[1-3]\d)%\n$/);
    await steady.stop();
    crew.signal('SIGTERM');
    await waitForLine(agentPort, /^drain\n$/);
    expect(await crew.exited).toEqual({ code: 0, signal: null });
  });

  it('answers for a process that runs alone too', async () => {
    const agentPort = await findPort('the agent', [], () => undefined);
    const program = await start({ AGENT_PORT: String(agentPort), DRAIN_WAIT: '800' });
    await waitForLine(agentPort, /^ready up \d+%\n$/);
    program.signal('SIGTERM');
    await waitForLine(agentPort, /^drain\n$/);
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  async function waitForLine(port: number, expected: RegExp): Promise<string> {
    const heard: string[] = [];
    for (let attempt = 0; attempt < 400; attempt += 1) {
      const found = await line(port).catch(() => '');
      heard.push(found);
      if (expected.test(found)) return found;
      await sleep(50);
    }
    throw new Error(`waited for ${expected} and heard ${[...new Set(heard)].join(' ')}`);
  }
});

describe('a process that runs alone', () => {
  it('drains at SIGTERM and at SIGHUP; the exit code says whether to start it again', async () => {
    for (const [signal, code] of [
      ['SIGTERM', 0],
      ['SIGHUP', 75],
    ] as const) {
      const program = await start();
      await program.until(() => program.alive().length === 1);
      expect(program.alive()).toEqual([program.pid]);
      const inside = ask(program.port, '/slow?amount=1000');
      await sleep(200);
      program.signal(signal);
      expect((await inside).status).toBe(200);
      expect(await program.exited).toEqual({ code, signal: null });
    }
  });
});
