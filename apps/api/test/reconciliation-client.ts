import { once } from 'node:events';
import { type ClientRequest, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Api } from './house/world.js';

export interface Told {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every route pass through here
  readonly json: any;
}
type Headers = Readonly<Record<string, string | number>>;
interface Streaming {
  readonly hold?: boolean;
  readonly headers?: Headers;
}

/** A client on a real socket, so that bodies arrive in pieces, late, or not to their end. */
export class Client {
  private constructor(
    private readonly port: number,
    private readonly token: string,
  ) {}

  static async of(api: Api, token: string): Promise<Client> {
    const server = api.app.getHttpServer();
    if (!server.listening) await api.app.listen(0, '127.0.0.1');
    return new Client((server.address() as AddressInfo).port, token);
  }

  as(token: string): Client {
    return new Client(this.port, token);
  }

  get = (path: string): Promise<Told> => this.#answered(this.open('GET', path), (call) => call.end());

  post(path: string, body: unknown, headers: Headers = {}): Promise<Told> {
    const call = this.open('POST', path, { 'content-type': 'application/json', ...headers });
    return this.#answered(call, () => call.end(JSON.stringify(body)));
  }

  /** The whole file in one go, its length said before. */
  upload(sourceId: string, csv: string | Buffer, headers: Headers = {}): Promise<Told> {
    return this.#answered(this.openUpload(sourceId, headers), (call) => call.end(csv));
  }

  /** Piece by piece, as the server takes them, until it answers; without an end where `hold` says so. */
  stream(sourceId: string, pieces: Iterable<Buffer>, { hold = false, headers = {} }: Streaming = {}): Promise<Told> {
    return this.#answered(this.openUpload(sourceId, headers), async (call) => {
      const answered = new Promise<'answered'>((resolve) => call.once('response', () => resolve('answered')));
      for (const piece of pieces) {
        const taken = call.write(piece) ? 'taken' : Promise.race([once(call, 'drain'), answered]);
        if ((await taken) === 'answered') return;
      }
      if (!hold) call.end();
    });
  }

  openUpload(sourceId: string, headers: Headers = {}): ClientRequest {
    return this.open('POST', `sources/${sourceId}/statements`, { 'content-type': 'text/csv', ...headers });
  }

  open(method: string, path: string, headers: Headers = {}): ClientRequest {
    return request({
      host: '127.0.0.1',
      port: this.port,
      method,
      path: `/api/v1/reconciliation/${path}`,
      headers: { authorization: `Bearer ${this.token}`, ...headers },
      agent: false,
    });
  }

  #answered(call: ClientRequest, send: (call: ClientRequest) => unknown): Promise<Told> {
    return new Promise((resolve, reject) => {
      call.once('error', reject);
      call.once('response', async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        call.destroy();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          json: text === '' ? null : JSON.parse(text),
        });
      });
      send(call);
    });
  }
}
