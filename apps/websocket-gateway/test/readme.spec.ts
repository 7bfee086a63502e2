import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '#infra/config';
import { projectRoot } from '#infra/testing';
import { slowAfter, stuckAfterMs, topicsMax } from '../src/facts/slow-listener.js';
import { gatewayConfig } from '../src/gateway.config.js';
import { fail } from '../src/gateway.errors.js';
import { listedMax, presenceTtlMs } from '../src/sessions/presence.js';
import { followedMax } from '../src/sockets/commands.js';

const readme = readFileSync(join(projectRoot(), 'apps/websocket-gateway/README.md'), 'utf8');

describe('the README of the gateway', () => {
  it('names every code, and none that there is not', () => {
    const named = [...readme.matchAll(/`((?:socket|gateway)\.[a-z_]+)`/g)].map(([, code]) => code);
    expect([...new Set(named)].sort()).toEqual(Object.keys(fail.table).sort());
  });

  it('names the limits that hold where nothing is set', () => {
    const { it: limits } = parseConfig({ it: gatewayConfig }, {});
    const inThousands = (n: number) => n.toLocaleString('en');
    const [pingS, pongS] = [limits.pingIntervalMs / 1_000, limits.pingTimeoutMs / 1_000];
    for (const words of [
      `${inThousands(limits.socketsMax)} connections and ${inThousands(limits.connectsPerSecond)} handshakes/s a process`,
      `${limits.socketsPerUser} of a user`,
      `ping ${pingS} s + ${pongS} s`,
      `sessions looked at every ${limits.sessionCheckMs / 1_000} s`,
      `**Stops** over ${limits.drainSpreadMs / 1_000} s`,
      `${followedMax} followed`,
      `presence ${presenceTtlMs / 1_000} s, ${listedMax} listed`,
      `Beyond ${slowAfter.packets} packets or ${slowAfter.bytes / 1_048_576} MiB unread`,
      `newest fact of each of ${topicsMax}`,
      `${stuckAfterMs / 1_000} s without progress`,
    ])
      expect(readme.replaceAll('\n', ' ')).toContain(words);
  });
});
