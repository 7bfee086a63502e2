import { io, type Socket } from 'socket.io-client';

/** What one socket is told, as it comes. */
export interface Hearing {
  /** `atMs`: milliseconds since 1970. */
  heard(fact: { readonly seq: number; readonly appointmentId: string | undefined; readonly atMs: number }): void;
}

interface Fact {
  readonly seq: number;
  readonly payload: { readonly appointmentId?: string };
}

interface Ready {
  readonly seq: number;
  readonly resumed: boolean;
}

const firstPauseMs = 200;
const longestPauseMs = 2_000;
const openTimeoutMs = 30_000;

/** Sub-millisecond, on the clock that PostgreSQL on this machine reads too. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

/** A client of the facts as a browser has one: comes back by itself and goes on from the last number it has seen. */
export class LiveSocket {
  lastSeq: number | undefined;
  /** Numbers that were passed over, heard twice, or given up by the server. */
  missed = 0;
  twice = 0;
  resyncs = 0;
  reconnects = 0;
  readonly opened: Promise<void>;
  readonly #socket: Socket;

  constructor(
    url: string,
    token: string,
    private readonly hearing: Hearing,
  ) {
    this.#socket = io(url, {
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: firstPauseMs,
      reconnectionDelayMax: longestPauseMs,
      auth: (give) => give({ token, ...(this.lastSeq === undefined ? {} : { lastSeq: this.lastSeq }) }),
    });
    this.opened = this.#hear();
  }

  get isConnected(): boolean {
    return this.#socket.connected;
  }

  close(): void {
    this.#socket.removeAllListeners();
    this.#socket.disconnect();
  }

  /** Resolves with the first `ready`. */
  #hear(): Promise<void> {
    const socket = this.#socket;
    socket.on('fact', ({ seq, payload }: Fact) => {
      this.#count(seq);
      this.hearing.heard({ seq, appointmentId: payload.appointmentId, atMs: nowMs() });
    });
    socket.on('resync', ({ seq }: { readonly seq: number }) => {
      this.resyncs += 1;
      this.lastSeq = seq;
    });
    socket.on('disconnect', () => {
      this.reconnects += 1;
      this.#again();
    });
    socket.on('connect_error', () => this.#again());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('a socket was not let in')), openTimeoutMs);
      socket.on('ready', (ready: Ready) => {
        this.#ready(ready);
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #count(seq: number): void {
    const before = this.lastSeq ?? seq - 1;
    if (seq <= before) this.twice += 1;
    else this.missed += seq - before - 1;
    this.lastSeq = Math.max(before, seq);
  }

  /** What was missed is sent before `ready`, so that its number is the one that was heard last. */
  #ready({ seq, resumed }: Ready): void {
    if (this.lastSeq !== undefined && (!resumed || seq !== this.lastSeq))
      this.missed += Math.max(1, seq - this.lastSeq);
    this.lastSeq = seq;
  }

  /** The client tries again by itself, but not where the server meant it. */
  #again(): void {
    if (!this.#socket.active) setTimeout(() => this.#socket.connect(), longestPauseMs);
  }
}
