import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPort, HaproxyServer, stackHome, waitUntil } from '#infra/testing';
import { fixtureRig } from './fixture-rig.js';
import type { RunningProgram } from './running-program.js';
import { SteadyClients } from './running-program.js';

const { start } = fixtureRig();
/** Servers start with a small weight, which grows for ten seconds. */
const slowStartMs = 15_000;
const settledMs = 4_000;

async function startWithAgent(env: Readonly<Record<string, string>> = {}) {
  const agentPort = await findPort('the agent', [], () => undefined);
  const program = await start({ AGENT_PORT: String(agentPort), DRAIN_WAIT: '5000', ...env });
  await program.until(() => program.alive().length === 1);
  return { program, agentPort, port: program.port };
}

/** Columns of HAProxy's statistics for a server of the api. */
async function statsOf(
  edge: HaproxyServer,
  server: string,
): Promise<{ readonly weight: number; readonly state: string }> {
  const text = await (await fetch(`${edge.statsUrl}/stats;csv`)).text();
  const [names = '', ...rows] = text.split('\n');
  const columns = names.replace('# ', '').split(',');
  const row = rows.map((line) => line.split(',')).find((cells) => cells[0] === 'api' && cells[1] === server) ?? [];
  const cell = (name: string) => row[columns.indexOf(name)] ?? '';
  return { weight: Number(cell('weight')), state: cell('status') };
}

describe('HAProxy, asking the agents', () => {
  let folder: string;
  let edge: HaproxyServer | undefined;
  const clients: SteadyClients[] = [];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'praxis-edge-'));
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((each) => each.stop()));
    await edge?.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const shareOf = ({ pid }: RunningProgram, answers: readonly { readonly body: string }[]): number =>
    answers.filter(({ body }) => body === String(pid)).length / answers.length;

  it('[C-079] sends an instance whose event loop is late less than half; drains one that goes, and takes it back', async () => {
    const [slow, quick] = await Promise.all([startWithAgent({ FIXTURE_BUSY_MS: '60' }), startWithAgent()]);
    const running = await HaproxyServer.start({ home: stackHome(), folder, apis: [slow, quick], gateways: [] });
    edge = running;
    const weights = async () => [(await statsOf(running, 'api-1')).weight, (await statsOf(running, 'api-2')).weight];
    const steady = new SteadyClients(running.ports.http, '/', { count: 6, pauseMs: 20 });
    clients.push(steady);
    const lighter = async () => {
      const [ofSlow = 0, ofQuick = 0] = await weights();
      return ofSlow > 0 && ofSlow < ofQuick / 2;
    };
    expect(await waitUntil(lighter, slowStartMs + settledMs)).toBe(true);
    const before = steady.answers.length;
    expect(await waitUntil(() => steady.answers.length > before + 200, slowStartMs)).toBe(true);
    const share = shareOf(slow.program, steady.answers.slice(before));
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThan(0.5);

    quick.program.signal('SIGTERM');
    const drained = async () => /DRAIN|DOWN/.test((await statsOf(running, 'api-2')).state);
    expect(await waitUntil(drained, settledMs)).toBe(true);
    expect(await quick.program.exited).toEqual({ code: 0, signal: null });
    await steady.stop();
    expect(steady.failed).toEqual([]);

    const env = { AGENT_PORT: String(quick.agentPort), FIXTURE_PORT: String(quick.port) };
    await start(env);
    const back = async () => (await statsOf(running, 'api-2')).state === 'UP';
    expect(await waitUntil(back, slowStartMs)).toBe(true);
  }, 90_000);
});
