import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { waitUntil } from '#infra/testing';
import type { GatewayProcess } from '../src/gateway.js';

export const patienceMs = 10_000;

/** One thing that a client was told. */
export interface Heard {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says is looked at by the test
  readonly word: any;
}

interface Wire {
  pause(): void;
  resume(): void;
}

/** A client as a browser or a phone has it; it remembers everything that it was told. */
export class Client {
  readonly heard: Heard[] = [];
  /** As they came over the wire. */
  readonly frames: string[] = [];
  readonly socket: Socket;
  #paused: Wire | undefined;

  constructor(gateway: GatewayProcess, auth: object, options: Partial<ManagerOptions & SocketOptions>) {
    this.socket = io(`http://127.0.0.1:${gateway.port}`, {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      auth: { ...auth },
      ...options,
    });
    this.socket.io.engine.on('packet', ({ data = '' }) => this.frames.push(String(data)));
    this.socket.onAny((event: string, word: unknown) => this.heard.push({ event, word }));
    this.socket.on('connect_error', (error) =>
      this.heard.push({
        event: 'connect_error',
        word: (error as { data?: unknown }).data ?? { message: error.message },
      }),
    );
    this.socket.on('disconnect', (reason) => this.heard.push({ event: 'disconnect', word: reason }));
  }

  /** The first word of this event, which may have come already. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says is looked at by the test
  async next(event: string, fits: (word: any) => boolean = () => true): Promise<any> {
    const find = () => this.heard.find((heard) => heard.event === event && fits(heard.word));
    await waitUntil(async () => find() !== undefined, patienceMs);
    const found = find();
    if (found === undefined) throw new Error(`no ${event}; heard ${JSON.stringify(this.heard)}`);
    return found.word;
  }

  /** Waits for that many facts. */
  async facts(count: number): Promise<Heard['word'][]> {
    await waitUntil(async () => this.told().length >= count, patienceMs);
    return this.told();
  }

  told(): Heard['word'][] {
    return this.heard.filter(({ event }) => event === 'fact').map(({ word }) => word);
  }

  seqs(): number[] {
    return this.told().map(({ seq }) => seq);
  }

  names(): string[] {
    return this.heard.map(({ event }) => event);
  }

  /** Reads nothing from the network, not even a ping, until `resume`. */
  pause(): void {
    this.#paused = (this.socket.io.engine.transport as unknown as { ws: Wire }).ws;
    this.#paused.pause();
  }

  resume(): void {
    this.#paused?.resume();
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever the server answers is looked at by the test
  command(body: unknown): Promise<any> {
    return this.socket.timeout(patienceMs).emitWithAck('command', body);
  }
}
