import type { Server as HttpServer } from 'node:http';
import { IoAdapter } from '@nestjs/platform-socket.io';
import type { Server } from 'socket.io';
import type { GatewayServer } from './protocol.js';

/** Gives Nest the one server of this process, whatever a gateway class asks for. */
export class SocketAdapter extends IoAdapter {
  constructor(
    http: HttpServer,
    private readonly make: () => GatewayServer,
  ) {
    super(http);
  }

  override createIOServer(): Server {
    return this.make();
  }
}
