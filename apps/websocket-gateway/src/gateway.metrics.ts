import type { Counter, Histogram, Metrics } from '#infra/telemetry';
import { fail } from './gateway.errors.js';

/** Seconds from the write of a fact to its leaving this process. */
const latencyBucketsS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Reasons that Socket.IO gives, and ours; whatever else is `other`. */
const ways = new Set([
  ...Object.keys(fail.table),
  'transport close',
  'transport error',
  'ping timeout',
  'parse error',
  'forced close',
  'client namespace disconnect',
  'server namespace disconnect',
  'server shutting down',
]);

/** Why a connection reads everything anew: it was away too long, it read too slowly, or facts are gone. */
export type ResyncCause = 'resume' | 'slow' | 'gone';

export interface SocketCounts {
  readonly sockets: number;
  readonly tenants: number;
  readonly lagging: number;
}

/** Every label comes from a closed list: codes of `gateway.errors.ts`, names of commands, reasons. */
export class GatewayMetrics {
  readonly #connects: Counter<'result'>;
  readonly #disconnects: Counter<'reason'>;
  readonly #commands: Counter<'command' | 'result'>;
  readonly #emitted: Counter<never>;
  readonly #facts: Counter<never>;
  readonly #resyncs: Counter<'cause'>;
  readonly #latency: Histogram<never>;

  constructor(private readonly metrics: Metrics) {
    this.#connects = metrics.counter('socket_connects_total', 'Handshakes by what became of them.', ['result']);
    this.#disconnects = metrics.counter('socket_disconnects_total', 'Connections that ended.', ['reason']);
    this.#commands = metrics.counter('socket_commands_total', 'Commands of clients.', ['command', 'result']);
    this.#facts = metrics.counter('facts_received_total', 'Facts that this process was told.');
    this.#emitted = metrics.counter('facts_emitted_total', 'Facts times connections that they were sent to.');
    this.#resyncs = metrics.counter('socket_resyncs_total', 'Connections told to read everything anew.', ['cause']);
    this.#latency = metrics.histogram(
      'facts_latency_seconds',
      'From the write of a fact, by its writer’s clock, to its leaving this process.',
      [],
      latencyBucketsS,
    );
  }

  /** Counts read at each scrape. */
  watch(counts: () => SocketCounts): void {
    const gauge = (name: string, help: string, read: (now: SocketCounts) => number) =>
      this.metrics.observedGauge(name, help, [], () => [{ labels: {}, value: read(counts()) }]);
    gauge('sockets_open', 'Connections that are authenticated.', (now) => now.sockets);
    gauge('sockets_tenants', 'Tenants with connections here.', (now) => now.tenants);
    gauge('sockets_lagging', 'Connections that read too slowly.', (now) => now.lagging);
  }

  accepted(): void {
    this.#connects.inc({ result: 'accepted' });
  }
  refused(code: string): void {
    this.#connects.inc({ result: ways.has(code) ? code : 'unauthenticated' });
  }
  disconnected(reason: string): void {
    this.#disconnects.inc({ reason: ways.has(reason) ? reason : 'other' });
  }
  command(command: string, result: 'ok' | 'refused'): void {
    this.#commands.inc({ command, result });
  }
  resync(cause: ResyncCause): void {
    this.#resyncs.inc({ cause });
  }
  fact(ageMs: number): void {
    this.#facts.inc({});
    this.#latency.observe({}, Math.max(0, ageMs) / 1_000);
  }
  emitted(count: number): void {
    if (count > 0) this.#emitted.inc({}, count);
  }
}
