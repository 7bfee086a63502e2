import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  SubscribeMessage,
  WebSocketGateway,
} from '@nestjs/websockets';
import { Connections } from './connections.js';
import type { Answer, GatewaySocket } from './protocol.js';

/** The sockets' surface: whoever the handshake let in, and one event for all commands (a second one would cost 4 KiB a socket). */
@WebSocketGateway()
export class FactsGateway implements OnGatewayConnection, OnGatewayDisconnect {
  constructor(private readonly connections: Connections) {}

  handleConnection(socket: GatewaySocket): Promise<void> {
    return this.connections.opened(socket);
  }

  handleDisconnect(socket: GatewaySocket, reason = 'other'): Promise<void> {
    return this.connections.closed(socket, reason);
  }

  @SubscribeMessage('command')
  command(@ConnectedSocket() socket: GatewaySocket, @MessageBody() body: unknown): Promise<Answer> {
    return this.connections.command(socket, body);
  }
}
