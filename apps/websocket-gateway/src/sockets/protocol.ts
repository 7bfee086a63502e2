import type { Server, Socket } from 'socket.io';
import type { InputMistake, SessionId, TenantId } from '#infra/kernel';

/** Sent once, when everything up to `seq` that this connection had missed has been sent. */
export interface ReadyWord {
  readonly seq: number;
  /** True where the connection went on from its lastSeq without a gap. */
  readonly resumed: boolean;
  /** When the token expires: a command `reauthenticate` before then keeps the connection. */
  readonly endsAt: string;
}

/** Ids and versions only; whoever wants to know more asks the API with their own rights. */
export interface FactWord {
  readonly seq: number;
  readonly name: string;
  readonly at: string;
  readonly payload: unknown;
}

/** Facts up to `seq` were left out: read anew whatever is shown. */
export interface ResyncWord {
  readonly seq: number;
}

/** Said before the server closes a connection. */
export interface EndedWord {
  readonly code: string;
  readonly detail: string;
}

/** A failure as a client is told it: in the `data` of a connect_error, in the answer to a command, in a refused handshake. */
export interface Refusal {
  readonly code: string;
  readonly detail: string;
  readonly requestId: string;
  readonly retryAfterMs?: number;
  readonly errors?: readonly InputMistake[];
}

export type Answer = { readonly ok: true; readonly [member: string]: unknown } | ({ readonly ok: false } & Refusal);

interface ToClient {
  ready: (word: ReadyWord) => void;
  fact: (word: FactWord) => void;
  resync: (word: ResyncWord) => void;
  ended: (word: EndedWord) => void;
}

interface FromClient {
  command: (body: unknown, ack?: (answer: Answer) => void) => void;
}

/** What one gateway found out about a session, for all others. */
export interface SessionEnd {
  readonly tenantId: TenantId;
  readonly sessionId: SessionId;
}

interface BetweenGateways {
  session_ended: (end: SessionEnd) => void;
}

export type GatewayServer = Server<FromClient, ToClient, BetweenGateways>;
export type GatewaySocket = Socket<FromClient, ToClient, BetweenGateways>;
