import { z } from 'zod';

const requestTimeoutMs = 10_000;

const grantShape = z.object({ accessToken: z.string(), refreshToken: z.string() });
const problemShape = z.object({ code: z.string(), detail: z.string() });
type Grant = z.infer<typeof grantShape>;

export interface Credentials {
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
}

/** The API said no, and trying again would change nothing. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  constructor(
    readonly code: string,
    detail: string,
  ) {
    super(`${code}: ${detail}`);
  }
}

/** The API did not answer, or asked to come back later. */
export class ApiUnavailable extends Error {
  override readonly name = 'ApiUnavailable';
}

/** A login over the REST API, as any client has it. */
export class ApiSession {
  private constructor(
    private readonly api: string,
    private readonly credentials: Credentials,
    private grant: Grant,
  ) {}

  /** Throws ApiRefusal or ApiUnavailable. */
  static async login(api: string, credentials: Credentials): Promise<ApiSession> {
    return new ApiSession(api, credentials, await logIn(api, credentials));
  }

  get accessToken(): string {
    return this.grant.accessToken;
  }

  /** What a route answers. Throws ApiRefusal or ApiUnavailable. */
  read(path: string): Promise<unknown> {
    return send(this.api, 'GET', path, undefined, this.accessToken);
  }

  /** A new access token: of the same session, or of a new one where that has ended. Throws as `login` does. */
  async renew(): Promise<void> {
    try {
      const { refreshToken } = this.grant;
      this.grant = grantShape.parse(await post(this.api, 'auth/refresh', { refreshToken }));
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      this.grant = await logIn(this.api, this.credentials);
    }
  }

  /** Ends the session, if the API can be reached. */
  async end(): Promise<void> {
    await post(this.api, 'auth/logout', undefined, this.accessToken).catch(() => undefined);
  }
}

const logIn = async (api: string, credentials: Credentials): Promise<Grant> =>
  grantShape.parse(await post(api, 'auth/login', credentials));

const post = (api: string, path: string, body?: object, token?: string): Promise<unknown> =>
  send(api, 'POST', path, body, token);

async function send(
  api: string,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
  token?: string,
): Promise<unknown> {
  const response = await ask(new URL(`/api/v1/${path}`, api), {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(requestTimeoutMs),
  });
  const text = await response.text();
  if (response.ok) return text === '' ? undefined : JSON.parse(text);
  const problem = problemShape.safeParse(jsonOf(text));
  const { code, detail } = problem.data ?? { code: `http.${response.status}`, detail: 'the API refused' };
  const comesBack = response.status === 429 || response.status >= 500;
  throw comesBack ? new ApiUnavailable(`${code}: ${detail}`) : new ApiRefusal(code, detail);
}

async function ask(url: URL, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, request);
  } catch (cause) {
    throw new ApiUnavailable(`${url.origin} does not answer`, { cause });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
