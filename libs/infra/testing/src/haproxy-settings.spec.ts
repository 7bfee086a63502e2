import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onLoopback } from './haproxy-settings.js';
import { projectRoot } from './places.js';

const config = readFileSync(join(projectRoot(), 'deploy/haproxy/haproxy.cfg'), 'utf8');
const targets = { apis: [{ port: 4001, agentPort: 4101 }, { port: 4002 }], gateways: [{ port: 4201 }] };
const serverLines = (text: string) => text.match(/^ *server.*$/gm) ?? [];

describe('The settings of the edge on one machine', () => {
  it('name each instance, with its agent where it has one', () => {
    expect(serverLines(onLoopback(config, targets))).toEqual([
      '    server api-1 127.0.0.1:4001 agent-check agent-port 4101 agent-inter 2s',
      '    server api-2 127.0.0.1:4002',
      '    server gateway-1 127.0.0.1:4201',
    ]);
  });

  it('differ in nothing else', () => {
    const others = (text: string) => text.split('\n').filter((line) => !/^ *server/.test(line));
    expect(others(onLoopback(config, targets))).toEqual(others(config));
  });

  it('are refused where they would not be understood', () => {
    const many = Array.from({ length: 21 }, (_, n) => ({ port: 5000 + n }));
    expect(() => onLoopback(config, { apis: many, gateways: [] })).toThrow('20 slots for api, not 21');
    expect(() => onLoopback(config.replace('init-addr none', ''), targets)).toThrow('is not understood');
    expect(() => onLoopback(config.replace('server-template api-', 'server-template web-'), targets)).toThrow('nobody');
    expect(() => onLoopback('defaults\n', targets)).toThrow('no server-template for api, gateway');
  });
});
