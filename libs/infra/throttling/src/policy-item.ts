interface Policy {
  readonly name: string;
  readonly limit: number;
  readonly windowMs: number;
}

export const seconds = (ms: number): number => Math.ceil(ms / 1_000);

/** Requests are the usual unit, and not said. */
const bytesOnly: ReadonlySet<string> = new Set(['upload-bytes']);

/** One item of `RateLimit-Policy`. */
export const policyItem = ({ name, limit, windowMs }: Policy): string =>
  `"${name}";q=${limit};w=${seconds(windowMs)}${bytesOnly.has(name) ? ';qu="content-bytes"' : ''}`;
