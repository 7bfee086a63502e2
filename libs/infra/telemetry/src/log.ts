import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { type Clock, systemClock, toDate } from '#infra/kernel';
import { currentLogFields } from './log-context.js';
import { errorFields } from './log-error.js';
import { type LogFields, oneLine, writtenFields } from './log-fields.js';
import type { ProcessIdentity, TelemetryConfig } from './telemetry.config.js';

/** What happened, as `noun.what`: `request.done`, `redis.state_changed`. Fixed text, never built from input. */
export type EventName = `${string}.${string}`;

/** `error` may be anything that was thrown; see `errorFields` for what of it is written. */
export type LogEntry = LogFields & { readonly error?: unknown };

/** One JSON line per event on stdout, with allow-listed fields only. */
export class Log {
  constructor(
    private readonly sink: Logger,
    private readonly bound: LogFields = {},
  ) {}

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
    return new Log(this.sink, { ...this.bound, ...fields });
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

/** Lines leave together: a write for each would cost a request as much as its routing. */
const gatheredBytes = 4_096;
/** What a process that is killed can lose; one that ends or crashes loses nothing. */
const gatheredMs = 100;

function gathered(): DestinationStream {
  return destination({ dest: 1, sync: false, minLength: gatheredBytes, periodicFlush: gatheredMs });
}

interface LogOptions extends Partial<ProcessIdentity> {
  readonly app: string;
  readonly clock?: Clock;
  /** Where lines go; stdout unless a test listens. */
  readonly to?: DestinationStream;
}

export function createLog(config: Pick<TelemetryConfig, 'level' | 'service'>, options: LogOptions): Log {
  const { app, version, clock = systemClock, to = gathered() } = options;
  const sink = pino(
    {
      level: config.level,
      messageKey: 'message',
      base: { 'service.name': config.service, 'process.pid': process.pid },
      timestamp: () => `,"@timestamp":"${toDate(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ 'log.level': label }) },
    },
    to,
  );
  return new Log(sink, { app, version });
}
