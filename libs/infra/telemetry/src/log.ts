import { type DestinationStream, type Logger, pino } from 'pino';
import { type Clock, systemClock, toDate } from '#infra/kernel';
import { GatheredLines } from './gathered-lines.js';
import { currentLogFields } from './log-context.js';
import { errorFields } from './log-error.js';
import { type LogFieldName, type LogFields, oneLine, quotedValue, writtenFields, writtenName } from './log-fields.js';
import type { ProcessIdentity, TelemetryConfig } from './telemetry.config.js';

/** What happened, as `noun.what`: `request.done`, `redis.state_changed`. Fixed text, never built from input. */
export type EventName = `${string}.${string}`;

/** `error` may be anything that was thrown; see `errorFields` for what of it is written. */
export type LogEntry = LogFields & { readonly error?: unknown };

interface LogParts {
  readonly sink: Logger;
  /** Where the sink writes. */
  readonly to: DestinationStream;
  readonly timestamp: () => string;
}

/** One JSON line per event on stdout, with allow-listed fields only. */
export class Log {
  private readonly sink: Logger;

  constructor(
    private readonly parts: LogParts,
    private readonly bound: LogFields = {},
  ) {
    this.sink = parts.sink;
  }

  debug(event: EventName, fields?: LogEntry): void {
    this.write('debug', event, fields);
  }

  info(event: EventName, fields?: LogEntry): void {
    this.write('info', event, fields);
  }

  warn(event: EventName, fields?: LogEntry): void {
    this.write('warn', event, fields);
  }

  error(event: EventName, fields?: LogEntry): void {
    this.write('error', event, fields);
  }

  /** A log whose lines all carry `fields`. */
  child(fields: LogFields): Log {
    return new Log(this.parts, { ...this.bound, ...fields });
  }

  /**
   * For a line that every request writes: what never changes is put into text once. It carries `fixed` and what is given
   * of `names`, and no fields of its surroundings.
   */
  prepared<Name extends LogFieldName>(event: EventName, fixed: LogFields, names: readonly Name[]) {
    const { to, timestamp } = this.parts;
    const constant = { ...this.sink.bindings(), ...writtenFields({ ...this.bound, ...fixed }) };
    const head = '{"log.level":"info"';
    const middle = `,${JSON.stringify(constant).slice(1, -1)}`;
    const members = names.map((name) => ({ name, key: `,${JSON.stringify(writtenName(name))}:` }));
    const tail = `,"message":${JSON.stringify(oneLine(event))}}\n`;
    return (fields: Pick<LogFields, Name>): void => {
      if (!this.sink.isLevelEnabled('info')) return;
      let line = head + timestamp() + middle;
      for (const { name, key } of members) {
        const value = fields[name];
        const text = value === undefined ? undefined : quotedValue(name, value);
        if (text !== undefined) line += key + text;
      }
      to.write(line + tail);
    };
  }

  /** Resolves when everything written so far has reached the destination. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.sink.flush((error) => (error && !hasNoDisk(error) ? reject(error) : resolve())),
    );
  }

  private write(level: 'debug' | 'info' | 'warn' | 'error', event: EventName, entry: LogEntry = {}): void {
    if (!this.sink.isLevelEnabled(level)) return;
    const { error, ...fields } = entry;
    const line = writtenFields({ ...this.bound, ...currentLogFields(), ...fields });
    const failure = error === undefined ? {} : errorFields(error);
    this.sink[level]({ ...failure, ...line }, oneLine(event));
    if (level === 'warn' || level === 'error') this.sink.flush();
  }
}

/** A pipe or a terminal cannot be told to write to disk; by then it has what was written. */
const hasNoDisk = (error: Error): boolean => (error as NodeJS.ErrnoException).code === 'EINVAL';

interface LogOptions extends Partial<ProcessIdentity> {
  readonly app: string;
  readonly clock?: Clock;
  /** Where lines go; stdout unless a test listens. */
  readonly to?: DestinationStream;
}

export function createLog(config: Pick<TelemetryConfig, 'level' | 'service'>, options: LogOptions): Log {
  const { app, version, clock = systemClock, to = new GatheredLines() } = options;
  const timestamp = instantText(clock);
  const sink = pino(
    {
      level: config.level,
      messageKey: 'message',
      base: { 'service.name': config.service, 'process.pid': process.pid },
      timestamp,
      formatters: { level: (label) => ({ 'log.level': label }) },
    },
    to,
  );
  return new Log({ sink, to, timestamp }, { app, version });
}

/** The member of a line; many lines share a millisecond. */
function instantText(clock: Clock): () => string {
  let at = Number.NaN;
  let text = '';
  return () => {
    const now = clock.now();
    if (now !== at) {
      at = now;
      text = `,"@timestamp":"${toDate(now).toISOString()}"`;
    }
    return text;
  };
}
