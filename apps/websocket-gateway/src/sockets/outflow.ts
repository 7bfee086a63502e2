import type { GatewaySocket } from './protocol.js';

/** What waits for a client to read. */
export interface Outflow {
  readonly packets: number;
  readonly bytes: number;
}

/**
 * What Socket.IO and its engine keep to themselves: packets that wait for the batch before them, the bytes that the
 * WebSocket still holds, and the way to cut a connection whose client reads nothing, not even a farewell.
 */
interface Inside {
  readonly writeBuffer: readonly { readonly data?: string | Buffer }[];
  readonly transport: { readonly socket: { readonly bufferedAmount: number; terminate(): void } };
}

const inside = (socket: GatewaySocket): Inside => socket.conn as unknown as Inside;

export function outflowOf(socket: GatewaySocket): Outflow {
  const { writeBuffer, transport } = inside(socket);
  let bytes = transport.socket.bufferedAmount;
  for (const { data } of writeBuffer) bytes += data?.length ?? 0;
  return { packets: writeBuffer.length, bytes };
}

export function cut(socket: GatewaySocket): void {
  inside(socket).transport.socket.terminate();
}

/** The request of the handshake is read once and would otherwise be kept as long as the connection. */
export function forgetRequest(connection: unknown): void {
  (connection as { request: unknown }).request = null;
}
