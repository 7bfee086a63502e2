import type { LoggerService } from '@nestjs/common';
import type { Log } from './log.js';

/** Loggers of the framework that speak of modules and providers only; the text of all others may repeat a foreign error. */
const wiring: ReadonlySet<unknown> = new Set([
  'NestFactory',
  'NestApplication',
  'InstanceLoader',
  'Injector',
  'PackageLoader',
]);

/** Nest's failures of wiring (its RuntimeException) have `what()`; their messages name classes only. */
const isWiringError = (error: Error): boolean => typeof (error as { what?: unknown }).what === 'function';

/** Nest's own messages as events: warnings and failures, with text where it speaks of wiring; progress is left out. */
export class NestLog implements LoggerService {
  constructor(private readonly logger: Log) {}

  log(): void {}

  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn('nest.warning', describe(message, rest));
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.logger.error('nest.failure', describe(message, rest));
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.error(message, ...rest);
  }
}

function describe(message: unknown, rest: readonly unknown[]) {
  const last = rest.at(-1);
  const context = typeof last === 'string' && !last.includes('\n') ? last : undefined;
  if (message instanceof Error)
    return { context, error: message, hint: isWiringError(message) ? message.message : undefined };
  return { context, hint: wiring.has(context) ? String(message) : undefined };
}
