import { AppError } from '#infra/kernel';
import { type LogValue, oneLine } from './log-fields.js';

const maxFrames = 12;
const maxCauses = 3;
const maxInternalLength = 500;

const namePattern = /^\w{0,60}(?:Error|Exception)$/;
const codePattern = /^[A-Z][A-Z0-9_]{1,60}$/;
const sqlStatePattern = /^[0-9A-Z]{5}$/;
const identifierPattern = /^[a-z_][a-z0-9_$]{0,62}$/i;
const framePattern = /^\s+at (?:[\w$.<>[\]# ]{1,120} \()?(?:file:\/\/|node:|\/|[A-Za-z]:\\)[^\s()]{1,300}:\d+:\d+\)?$/;

const matching = (value: unknown, pattern: RegExp): string | undefined =>
  typeof value === 'string' && pattern.test(value) ? value : undefined;

/** The lines of a stack that name code; the message, which may stand in front of them, is cut off first. */
function frames(error: Error): string | undefined {
  const stack = error.stack ?? '';
  const at = error.message === '' ? -1 : stack.indexOf(error.message);
  const rest = at < 0 ? stack : stack.slice(at + error.message.length);
  const lines = rest.split('\n').filter((line) => framePattern.test(line));
  return lines.length === 0 ? undefined : lines.slice(0, maxFrames).join('\n');
}

/** A driver's own error, where an ORM has wrapped it. */
const driverOf = (error: object): Readonly<Record<string, unknown>> => {
  const inner = (error as { driverError?: unknown }).driverError;
  return (typeof inner === 'object' && inner !== null ? inner : error) as Record<string, unknown>;
};

function describe(error: unknown): Record<string, LogValue | undefined> {
  if (!(error instanceof Error)) return { type: error === null ? 'null' : typeof error };
  if (error instanceof AppError)
    return {
      type: error.name,
      code: error.code,
      kind: error.kind,
      internal: error.options.internal && oneLine(error.options.internal, maxInternalLength),
      stack_trace: error.kind === 'internal' ? frames(error) : undefined,
    };
  const driver = driverOf(error);
  const sqlState = matching(driver.code, sqlStatePattern);
  return {
    type: matching(error.name, namePattern) ?? error.constructor.name,
    code: sqlState ? undefined : matching(driver.code, codePattern),
    sqlstate: sqlState,
    constraint: matching(driver.constraint, identifierPattern),
    stack_trace: frames(error),
  };
}

/**
 * What a log line says about a failure: name, code, SQLSTATE, constraint and stack frames, for it and up to three
 * causes. Never the message of an error that is not ours: PostgreSQL puts values of rows into its messages.
 */
export function errorFields(error: unknown): Record<string, LogValue> {
  const line: Record<string, LogValue> = {};
  let current = error;
  let prefix = 'error';
  for (let depth = 0; depth <= maxCauses && current !== undefined; depth += 1) {
    for (const [key, value] of Object.entries(describe(current)))
      if (value !== undefined) line[`${prefix}.${key}`] = value;
    current = current instanceof Error ? current.cause : undefined;
    prefix += '.cause';
  }
  return line;
}
