/** What `praxis seed` prints as its last line of JSON: who may log in, and calls worth trying. */
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
  /** Empty where it goes with the one before. */
  readonly says: string;
  readonly method: string;
  readonly path: string;
  /** Values stand in double quotes, so that the shell fills in what must be new each time. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Of the product's folder, sent as it is. */
  readonly file?: string;
}

export function readSeedReport(output: string): SeedReport {
  const line = output
    .split('\n')
    .filter((each) => each.startsWith('{'))
    .at(-1);
  if (line === undefined) throw new Error('praxis seed printed no line of JSON');
  return JSON.parse(line) as SeedReport;
}

/** One line for a POSIX shell that leaves an access token in `$TOKEN`; needs curl and sed only. */
export function loginLine(baseUrl: string, { path, body, token }: SeedReport['login']): string {
  const logIn = `curl -s ${quoted(baseUrl + path)} ${jsonBody(body)}`;
  return `TOKEN=$(${logIn} | sed -E 's/.*"${token}":"([^"]+)".*/\\1/')`;
}

/** One line for a POSIX shell, in the product's folder, after that. */
export function curlLine(baseUrl: string, { method, path, headers = {}, body, file }: Example): string {
  const given = Object.entries(headers).map(([name, value]) => `-H "${name}: ${value}"`);
  return [
    `curl -s -X ${method} ${quoted(baseUrl + path)}`,
    `-H "Authorization: Bearer $TOKEN"`,
    ...given,
    ...(body === undefined ? [] : [jsonBody(body)]),
    ...(file === undefined ? [] : [`--data-binary @${file}`]),
  ].join(' ');
}

const jsonBody = (body: unknown): string => `-H 'content-type: application/json' -d ${quoted(JSON.stringify(body))}`;

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
