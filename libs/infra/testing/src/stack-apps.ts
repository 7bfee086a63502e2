import { type AppKind, AppProcess } from './app-process.js';
import { findPort, giveBackPort } from './ports.js';
import type { Environment } from './stack-environment.js';

interface Kind {
  readonly app: AppKind;
  /** For the line that tells of a port in use. */
  readonly what: string;
  /** For its name: `api`, or `api-1` where there are several. */
  readonly short: string;
  readonly portVariable: string;
  /** Says to HAProxy how much it can take. */
  readonly hasAgent: boolean;
}

const kinds = {
  apis: { app: 'api', what: 'the API', short: 'api', portVariable: 'HTTP_PORT', hasAgent: true },
  gateways: {
    app: 'websocket-gateway',
    what: 'the gateway',
    short: 'gateway',
    portVariable: 'GATEWAY_PORT',
    hasAgent: false,
  },
  workers: { app: 'worker', what: 'the worker', short: 'worker', portVariable: 'WORKER_PORT', hasAgent: false },
} as const satisfies Readonly<Record<string, Kind>>;

type KindName = keyof typeof kinds;
const kindNames = Object.keys(kinds) as readonly KindName[];

export type AppCounts = Readonly<Record<KindName, number>>;
export type WantedPorts = Readonly<Partial<Record<KindName, readonly number[]>>>;

/** Where one app process will answer. */
export interface AppPlace {
  readonly kind: KindName;
  readonly name: string;
  readonly port: number;
  /** Where HAProxy asks it, if it does. */
  readonly agentPort: number | undefined;
}

interface PlacesPlan {
  readonly counts: AppCounts;
  readonly wanted: WantedPorts;
  readonly withAgents: boolean;
  readonly note: (line: string) => void;
}

/** Free ports for all apps, the preferred ones first; `giveBack` when they are not used any more. */
export async function choosePlaces({ counts, wanted, withAgents, note }: PlacesPlan): Promise<readonly AppPlace[]> {
  const places: AppPlace[] = [];
  for (const kind of kindNames)
    for (let n = 0; n < counts[kind]; n += 1) {
      const { what, short, hasAgent } = kinds[kind];
      const port = await findPort(what, wanted[kind]?.slice(n, n + 1) ?? [], note);
      const agentPort = withAgents && hasAgent ? await findPort(`${what} (agent)`, [], note) : undefined;
      places.push({ kind, name: counts[kind] > 1 ? `${short}-${n + 1}` : short, port, agentPort });
    }
  return places;
}

export function giveBack(places: readonly AppPlace[]): void {
  for (const { port, agentPort } of places) {
    giveBackPort(port);
    if (agentPort !== undefined) giveBackPort(agentPort);
  }
}

interface AppsPlan {
  readonly environment: Environment;
  readonly pidFolder: string;
  readonly onLine: (app: string, line: string) => void;
}

export const appAt = ({ kind, name, port, agentPort }: AppPlace, plan: AppsPlan): AppProcess =>
  new AppProcess({
    name,
    app: kinds[kind].app,
    port,
    environment: {
      ...plan.environment,
      [kinds[kind].portVariable]: String(port),
      ...(agentPort === undefined ? {} : { AGENT_PORT: String(agentPort) }),
    },
    pidFolder: plan.pidFolder,
    onLine: plan.onLine,
  });
