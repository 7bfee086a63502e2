import { StackError } from './places.js';

/** An instance behind the edge, on this machine. */
export interface EdgeTarget {
  readonly port: number;
  /** Where it says how much it can take; without one it always gets its full share. */
  readonly agentPort?: number;
}

export interface EdgeTargets {
  readonly apis: readonly EdgeTarget[];
  readonly gateways: readonly EdgeTarget[];
}

const host = '127.0.0.1';
const template = /^( *)server-template (\w+)- (\d+) \S+ (.*)$/gm;
const agentCheck = / *agent-check agent-port "\$\{AGENT_PORT\}" agent-inter \w+/;
const naming = / *resolvers \w+ resolve-prefer \w+ init-addr none/;

/**
 * deploy/haproxy/haproxy.cfg for instances on loopback: each `server-template <name>- 20 <dns name>:<port> …` becomes one
 * `server <name>-<n> 127.0.0.1:<port> …` per instance, without what asks the resolver, and with an agent check where
 * there is an agent. Nothing else is changed.
 */
export function onLoopback(config: string, targets: EdgeTargets): string {
  const instances: Readonly<Record<string, readonly EdgeTarget[]>> = { api: targets.apis, gateway: targets.gateways };
  const found = new Set<string>();
  const rendered = config.replace(template, (line, indent: string, name: string, slots: string, rest: string) => {
    const own = instances[name];
    if (own === undefined) throw new StackError(`haproxy.cfg has servers that nobody knows: ${line.trim()}`);
    if (own.length > Number(slots))
      throw new StackError(`haproxy.cfg has ${slots} slots for ${name}, not ${own.length}`);
    if (!agentCheck.test(rest) || !naming.test(rest))
      throw new StackError(`haproxy.cfg is not understood: ${line.trim()}`);
    found.add(name);
    return own
      .map((target, n) => `${indent}server ${name}-${n + 1} ${host}:${target.port}${options(rest, target)}`)
      .join('\n');
  });
  const missing = Object.keys(instances).filter((name) => !found.has(name));
  if (missing.length > 0) throw new StackError(`haproxy.cfg has no server-template for ${missing.join(', ')}`);
  return rendered;
}

function options(rest: string, { agentPort }: EdgeTarget): string {
  const kept = ` ${rest}`.replace(naming, '');
  if (agentPort === undefined) return kept.replace(agentCheck, '').trimEnd();
  return kept.replace(/"\$\{AGENT_PORT\}"/, String(agentPort)).trimEnd();
}
