/** Every way a request can fail. Each transport translates each kind once. */
export const errorKinds = [
  'invalid',
  'unparsable',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'gone',
  'limited',
  'precondition_required',
  'precondition_failed',
  'payment_required',
  'too_large',
  /** The caller was; `timeout`: we were. */
  'too_slow',
  'timeout',
  'unavailable',
  'internal',
] as const;
export type ErrorKind = (typeof errorKinds)[number];

export interface ErrorDefinition {
  readonly kind: ErrorKind;
  /** Safe for any client: no value from the request, no personal data. */
  readonly public: string;
}

/** One mistake in an input: where (RFC 6901 pointer into body, or `query/name`, `path/name`) and what. Never the value. */
export interface InputMistake {
  readonly pointer: string;
  readonly detail: string;
}

export interface ErrorOptions {
  /** For the log; may name ids, never personal data. */
  readonly internal?: string;
  readonly cause?: unknown;
  readonly retryAfterMs?: number;
  readonly mistakes?: readonly InputMistake[];
  /** Extra members of the problem document that the code documents, for example `alternatives`. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A failure that somebody declared in a `*.errors.ts`; anything else that is thrown is a bug. */
export class AppError extends Error {
  override readonly name = 'AppError';
  constructor(
    readonly kind: ErrorKind,
    /** `<noun>.<what>`, stable for ever. */
    readonly code: string,
    readonly publicText: string,
    readonly options: ErrorOptions = {},
  ) {
    super(options.internal ?? code, { cause: options.cause });
  }
}

/** Turns a lib's table of codes into a typed constructor: `const fail = defineErrors({ 'slot.taken': { … } })`. */
export function defineErrors<const Table extends Record<string, ErrorDefinition>>(table: Table) {
  const fail = (code: keyof Table & string, options?: ErrorOptions): AppError => {
    const definition = table[code] as ErrorDefinition;
    return new AppError(definition.kind, code, definition.public, options);
  };
  return Object.assign(fail, { table });
}

export const isAppError = (error: unknown, code?: string): error is AppError =>
  error instanceof AppError && (code === undefined || error.code === code);
