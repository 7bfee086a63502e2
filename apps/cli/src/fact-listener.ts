import { setTimeout as sleep } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import { systemClock } from '#infra/kernel';
import { ApiRefusal, type ApiSession, ApiUnavailable } from './api-session.js';

/** The token is renewed this long before it expires, or at half of what it has left. */
const renewBeforeMs = 60_000;
const answerTimeoutMs = 10_000;
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** Refusals in a row, without one connection between them, after which it gives up. */
const refusalsMax = 5;
const renewAgainMs = 5_000;

interface Fact {
  readonly seq: number;
}

interface Ready {
  readonly seq: number;
  readonly resumed: boolean;
  readonly endsAt: string;
}

interface ListenerParts {
  readonly session: ApiSession;
  readonly gateway: string;
  readonly print: (fact: unknown) => void;
  /** What happens to the connection, for the person who watches. */
  readonly note: (line: string) => void;
}

/** After these the same session, or a new one, is let in again. */
const renewable = /^(token|session)\.|^socket\.(token_|session_|slow_consumer|facts_unavailable|failed)/;

/** One connection to a gateway that goes on where it was, whatever happens to it, to its token and to its session. */
export class FactListener {
  readonly #socket: Socket;
  readonly #done = Promise.withResolvers<void>();
  readonly #over = new AbortController();
  #lastSeq: number | undefined;
  #renewal: NodeJS.Timeout | undefined;
  #refusals = 0;
  #endedBy = '';

  constructor(private readonly parts: ListenerParts) {
    const { session, gateway } = parts;
    this.#socket = io(gateway, {
      transports: ['websocket'],
      autoConnect: false,
      reconnectionDelay: firstPauseMs,
      reconnectionDelayMax: longestPauseMs,
      auth: (give) => {
        const place = this.#lastSeq === undefined ? {} : { lastSeq: this.#lastSeq };
        give({ token: session.accessToken, ...place });
      },
    });
    this.#hear();
  }

  /** Resolves when the signal aborts; rejects where trying again is of no use. */
  async listen(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#done.resolve());
    if (!signal.aborted) this.#socket.connect();
    try {
      if (!signal.aborted) await this.#done.promise;
    } finally {
      this.#over.abort();
      clearTimeout(this.#renewal);
      this.#socket.removeAllListeners();
      this.#socket.disconnect();
    }
  }

  #hear(): void {
    const { print, note } = this.parts;
    this.#socket.on('fact', (fact: Fact) => {
      this.#lastSeq = fact.seq;
      print(fact);
    });
    this.#socket.on('resync', ({ seq }: { readonly seq: number }) => {
      this.#lastSeq = seq;
      note(`facts up to ${seq} were left out: read anew what you keep`);
    });
    this.#socket.on('ready', ({ seq, resumed, endsAt }: Ready) => {
      note(resumed ? `listening again, nothing missed up to ${seq}` : `listening from ${seq} on`);
      this.#lastSeq = seq;
      this.#refusals = 0;
      this.#endedBy = '';
      this.#renewBefore(endsAt);
    });
    this.#socket.on('ended', ({ code, detail }: { readonly code: string; readonly detail: string }) => {
      this.#endedBy = code;
      note(`${code}: ${detail}`);
    });
    this.#socket.on('disconnect', (reason) => this.#lost(reason));
    this.#socket.on('connect_error', (error) => this.#refused(error));
  }

  /** What the client does not mend by itself: the server meant it. */
  #lost(reason: string): void {
    clearTimeout(this.#renewal);
    if (reason === 'io client disconnect') return;
    if (this.#socket.active) this.parts.note(`connection lost (${reason}), trying again`);
    else void this.#again(this.#endedBy);
  }

  #refused(error: Error & { readonly data?: { readonly code?: string } }): void {
    if (this.#socket.active) this.parts.note(`no connection (${error.message}), trying again`);
    else void this.#again(error.data?.code ?? error.message);
  }

  async #again(code: string): Promise<void> {
    this.#refusals += 1;
    if (!renewable.test(code) || this.#refusals > refusalsMax) {
      this.#done.reject(new Error(`the gateway refuses the connection: ${code}`));
      return;
    }
    await this.#pause(this.#refusals - 1);
    if (await this.#renewed()) this.#socket.connect();
  }

  /** Waits as long as the API is away; false where it says no, or where nobody listens any more. */
  async #renewed(): Promise<boolean> {
    for (let attempt = 1; !this.#over.signal.aborted; attempt += 1)
      try {
        await this.parts.session.renew();
        return !this.#over.signal.aborted;
      } catch (error) {
        if (!(error instanceof ApiUnavailable)) {
          this.#done.reject(error);
          return false;
        }
        this.parts.note(`${error.message}, trying again`);
        await this.#pause(attempt);
      }
    return false;
  }

  /** Longer each time, at most half a minute; ends early when nobody listens any more. */
  async #pause(attempt: number): Promise<void> {
    const ms = attempt === 0 ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(attempt - 1, 10));
    await sleep(ms, undefined, { signal: this.#over.signal }).catch(() => undefined);
  }

  #renewBefore(endsAt: string): void {
    const leftMs = Math.max(0, Date.parse(endsAt) - systemClock.now());
    const inMs = leftMs > 2 * renewBeforeMs ? leftMs - renewBeforeMs : leftMs / 2;
    clearTimeout(this.#renewal);
    this.#renewal = setTimeout(() => void this.#reauthenticate(), inMs);
  }

  /** On the connection that there is. A token of a new session needs a new one. */
  async #reauthenticate(): Promise<void> {
    const { session } = this.parts;
    try {
      await session.renew();
      const command = { do: 'reauthenticate', token: session.accessToken };
      const answer = await this.#socket.timeout(answerTimeoutMs).emitWithAck('command', command);
      if (answer.ok === true) this.#renewBefore(answer.endsAt);
      else if (!this.#over.signal.aborted) this.#socket.disconnect().connect();
    } catch (error) {
      if (error instanceof ApiRefusal) this.#done.reject(error);
      else if (this.#socket.connected) this.#renewal = setTimeout(() => void this.#reauthenticate(), renewAgainMs);
    }
  }
}
