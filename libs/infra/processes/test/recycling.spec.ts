import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '#infra/testing';
import { bytesOf } from '../src/bytes.js';
import { hungAfterMs } from '../src/crew-member.js';
import { fixtureRig } from './fixture-rig.js';

const { start, startCrew, askAllTheTime } = fixtureRig();

/** Node ends a process of these tests at this heap. */
const engineMb = 320;
const engineLimit = [`--max-old-space-size=${engineMb}`];
const guarded = { WORKER_MAX_HEAP: '120MB', WORKER_CHECK_INTERVAL: '100' };

describe('the memory guard', () => {
  it('[D-008] [D-012] replaces a worker that leaks before Node ends it, and no request is dropped', async () => {
    expect(bytesOf('2GB')).toBe(2 * 1024 ** 3);
    const crew = await startCrew(2, guarded, engineLimit);
    const steady = askAllTheTime(crew, '/leak?amount=1', { count: 4, pauseMs: 80 });
    await crew.until(() => crew.of('cluster.worker_ended').length >= 4, 60_000);
    await steady.stop();
    expect(steady.failed).toEqual([]);
    // A process that nobody replaced would have ended on the way.
    expect(steady.answers.length).toBeGreaterThan(engineMb);
    const endings = crew.of('cluster.worker_ended');
    expect(new Set(endings.map((line) => line['event.reason']))).toEqual(new Set(['memory']));
    expect(new Set(endings.map((line) => line['process.exit_code']))).toEqual(new Set([0]));
    expect(crew.of('drain.cut')).toEqual([]);
    expect(crew.alive()).toHaveLength(2);
  }, 90_000);

  it('drains a process that runs alone and ends it with 75, for its supervisor to start it again', async () => {
    const program = await start(guarded, engineLimit);
    await program.until(() => program.alive().length === 1);
    const inside = program.ask('/slow?amount=2500');
    expect((await program.ask('/leak?amount=170')).status).toBe(200);
    expect((await inside).status).toBe(200);
    expect(await program.exited).toEqual({ code: 75, signal: null });
    expect(program.of('app.stopping')).toMatchObject([{ 'event.reason': 'memory' }]);
  });

  it('acts below the limit of Node itself when that is the lower one, and says so', async () => {
    const program = await start({ WORKER_CHECK_INTERVAL: '100' }, engineLimit);
    await program.until(() => program.of('memory.limit_lowered').length === 1);
    await program.until(() => program.alive().length === 1);
    await program.ask('/leak?amount=260');
    expect(await program.exited).toEqual({ code: 75, signal: null });
  });

  it('gives workers the room above the limit that the drain needs', async () => {
    const crew = await startCrew(2, { WORKER_MAX_HEAP: '300MB' }, ['--max-old-space-size=200']);
    expect(crew.of('memory.limit_lowered')).toEqual([]);
    await crew.ask('/leak?amount=250');
    expect((await crew.ask('/')).status).toBe(200);
    expect(crew.pids()).toHaveLength(2);
  });
});

describe('the limit of requests', () => {
  it('[C-063] replaces a worker after its requests ± 10 %, drained before it exits; without a limit nobody is replaced', async () => {
    const [limited, free] = await Promise.all([startCrew(2, { WORKER_MAX_REQUESTS: '300' }), startCrew(2)]);
    const steady = [askAllTheTime(limited, '/', { pauseMs: 5 }), askAllTheTime(free, '/', { pauseMs: 5 })] as const;
    await limited.until(() => limited.of('cluster.worker_ended').length >= 2);
    await limited.until(() => steady[1].answers.length > 700);
    await Promise.all(steady.map((each) => each.stop()));
    expect(steady.flatMap((each) => each.failed)).toEqual([]);
    for (const line of limited.of('cluster.worker_ended')) {
      expect(line).toMatchObject({ 'event.reason': 'requests', 'process.exit_code': 0 });
      const served = steady[0].answers.filter(({ body }) => body === String(line['process.pid'])).length;
      expect(served === 0 || served >= 270).toBe(true);
    }
    expect(limited.of('drain.done').every((line) => line['event.outcome'] === 'success')).toBe(true);
    expect(free.of('cluster.worker_ended')).toEqual([]);
    expect(free.alive()).toEqual(free.pids());
  });
});

describe('the heartbeat', () => {
  it('[D-010] a worker whose event loop stands still for 10 s is replaced; silence while the primary itself was stopped does not count', async () => {
    const [crew, paused] = await Promise.all([startCrew(2), startCrew(2)]);
    expect(hungAfterMs).toBe(10_000);
    paused.signal('SIGSTOP');
    const hung = crew.ask('/busy?amount=60000').catch(String);
    await crew.until(() => crew.of('cluster.worker_hung').length === 1, 20_000);
    expect(await hung).toContain('socket hang up');
    await crew.until(() => crew.pids().length === 3 && crew.alive().length === 2);
    expect(crew.of('cluster.worker_ended')).toMatchObject([{ 'event.reason': 'hung', 'process.exit_code': 137 }]);
    expect(crew.pids().slice(0, 2).filter(isAlive)).toHaveLength(1);
    await sleep(1_500);
    paused.signal('SIGCONT');
    await sleep(2_500);
    expect(paused.of('cluster.worker_ended')).toEqual([]);
    expect(paused.alive()).toEqual(paused.pids());
  }, 60_000);
});
