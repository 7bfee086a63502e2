import { request } from 'node:http';

export interface HandshakeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A handshake as HTTP sees it, with any headers and any query. */
export function handshake(
  port: number,
  { query = '', headers = {} }: { readonly query?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<HandshakeAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({
      port,
      host: '127.0.0.1',
      path: `/socket.io/?EIO=4&transport=websocket${query}`,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        ...headers,
      },
    });
    asked.on('upgrade', ({ statusCode = 0, headers: given }, socket) => {
      socket.on('error', () => undefined);
      socket.destroy();
      resolve({ status: statusCode, headers: given, body: '' });
    });
    asked.on('response', (response) => {
      let body = '';
      response.on('data', (part) => {
        body += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    asked.on('error', reject);
    asked.end();
  });
}
