import { type Answer, type Headers, HttpConnection } from './http-client.js';

export interface Credentials {
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
}

const base = '/api/v1';

/** One logged-in user on one connection. `call` is for set-up and checks, where every refusal is the end. */
export class ApiClient {
  private constructor(
    readonly connection: HttpConnection,
    /** What every request of this user carries. */
    readonly headers: Headers,
  ) {}

  static async login(url: string, credentials: Credentials): Promise<ApiClient> {
    const connection = new HttpConnection(url);
    const answer = await connection.request('POST', `${base}/auth/login`, {}, JSON.stringify(credentials));
    const { accessToken } = bodyOf<{ accessToken: string }>(answer, 'login');
    return new ApiClient(connection, { authorization: `Bearer ${accessToken}` });
  }

  async call<Body>(method: string, path: string, body?: unknown, headers: Headers = {}): Promise<Body> {
    const text = body === undefined ? '' : JSON.stringify(body);
    const all = { ...this.headers, ...headers };
    return bodyOf(await this.connection.request(method, base + path, all, text), `${method} ${path}`);
  }

  close(): void {
    this.connection.close();
  }
}

export const appointmentsPath = `${base}/appointments`;

function bodyOf<Body>({ status, body }: Answer, what: string): Body {
  if (status >= 300) throw new Error(`${what} was answered with ${status}: ${body}`);
  return (body === '' ? undefined : JSON.parse(body)) as Body;
}
