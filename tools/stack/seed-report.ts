/** What `praxis seed` prints as its last line of JSON: who may log in, and three calls worth trying. */
export interface SeedReport {
  readonly logins: readonly {
    readonly role: string;
    readonly tenant: string;
    readonly email: string;
    readonly password: string;
  }[];
  /** How the examples log in; `token` is the field of the answer that holds the access token. */
  readonly login: { readonly path: string; readonly body: unknown; readonly token: string };
  readonly examples: readonly Example[];
  readonly ids?: Readonly<Record<string, string>>;
}

export interface Example {
  readonly says: string;
  readonly method: string;
  readonly path: string;
  /** Values stand in double quotes, so that the shell fills in what must be new each time. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export function readSeedReport(output: string): SeedReport {
  const line = output
    .split('\n')
    .filter((each) => each.startsWith('{'))
    .at(-1);
  if (line === undefined) throw new Error('praxis seed printed no line of JSON');
  return JSON.parse(line) as SeedReport;
}

/** One line for a POSIX shell that logs in by itself; needs curl and sed only. */
export function curlLine(baseUrl: string, login: SeedReport['login'], example: Example): string {
  const logIn = `curl -s ${quoted(baseUrl + login.path)} ${jsonBody(login.body)}`;
  const token = `$(${logIn} | sed -E 's/.*"${login.token}":"([^"]+)".*/\\1/')`;
  const headers = Object.entries(example.headers ?? {}).map(([name, value]) => `-H "${name}: ${value}"`);
  return [
    `curl -s -X ${example.method} ${quoted(baseUrl + example.path)}`,
    `-H "Authorization: Bearer ${token}"`,
    ...headers,
    ...(example.body === undefined ? [] : [jsonBody(example.body)]),
  ].join(' ');
}

const jsonBody = (body: unknown): string => `-H 'content-type: application/json' -d ${quoted(JSON.stringify(body))}`;

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
