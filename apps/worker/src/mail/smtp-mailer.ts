import { createTransport } from 'nodemailer';
import type { Secret } from '#infra/config';
import { type AppError, isAppError } from '#infra/kernel';
import type { Log, Metrics } from '#infra/telemetry';
import { ProviderBreaker } from '#infra/throttling';
import { fail } from './mail.errors.js';
import { type Mail, Mailer } from './mailer.js';
import { messageOf } from './message.js';

const maxConnections = 5;
const connectTimeoutMs = 10_000;
const answerTimeoutMs = 30_000;
/** To the server's last word; below the time that a job has for an attempt, 60 s. */
const sendTimeoutMs = 50_000;
const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

interface SmtpOptions {
  /** smtp:// upgrades by STARTTLS and, except on loopback, refuses to go on without; smtps:// speaks TLS at once. */
  readonly url: Secret;
  readonly from: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** How long a server that fails again and again is left alone; 60 s unless said otherwise. */
  readonly openForMs?: number;
}

/** Hands mails to an SMTP server over at most five connections, and leaves a server alone that fails again and again. */
export class SmtpMailer extends Mailer {
  readonly #transport;
  readonly #server: ProviderBreaker;

  constructor(private readonly options: SmtpOptions) {
    super();
    const { url, log, metrics, openForMs } = options;
    this.#transport = createTransport({
      ...serverOf(new URL(url.reveal())),
      pool: true,
      maxConnections,
      connectionTimeout: connectTimeoutMs,
      greetingTimeout: connectTimeoutMs,
      socketTimeout: answerTimeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    this.#server = new ProviderBreaker({
      provider: 'smtp',
      timeoutMs: sendTimeoutMs,
      runningMax: maxConnections,
      isFailure: (error) => !isForGood(error) && !isOfRecipient(error),
      ...(openForMs === undefined ? {} : { openForMs }),
      log,
      metrics,
    });
  }

  async send(mail: Mail, gone?: AbortSignal): Promise<void> {
    const message = messageOf(mail, this.options.from);
    try {
      await this.#server.run(() => this.#transport.sendMail(message), gone);
    } catch (error) {
      throw translate(error);
    }
  }

  async check(): Promise<void> {
    if (this.#server.open) throw fail('mail.not_tried');
  }

  close(): void {
    this.#transport.close();
  }
}

function serverOf(url: URL) {
  const secure = url.protocol === 'smtps:';
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    requireTLS: !secure && !loopback.has(url.hostname),
    ...(url.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
  };
}

interface SmtpFailure {
  readonly responseCode?: number;
  readonly code?: string;
  readonly command?: string;
}

/** RFC 5321: 5xx is for good where it speaks of this mail; elsewhere the server does not let us in, a matter of settings. */
const aboutTheMail = new Set(['MAIL FROM', 'RCPT TO', 'DATA']);
const authenticationRequired = 530;

function isForGood(error: unknown): boolean {
  const { responseCode = 0, command = '' } = error as SmtpFailure;
  return responseCode >= 500 && responseCode !== authenticationRequired && aboutTheMail.has(command);
}

/** The server lives and speaks of one mailbox: greylisting, a mailbox that is full. 421 closes the connection. */
function isOfRecipient(error: unknown): boolean {
  const { responseCode = 0, command = '' } = error as SmtpFailure;
  return command === 'RCPT TO' && responseCode >= 400 && responseCode !== 421;
}

function translate(cause: unknown): AppError {
  if (isAppError(cause, 'provider.away')) {
    const { internal = '', retryAfterMs = 0 } = cause.options;
    return fail('mail.not_tried', { internal, retryAfterMs });
  }
  const { responseCode = 0, code, command = '' } = cause as SmtpFailure;
  const internal = `smtp ${responseCode || (code ?? 'failure')} at ${command || 'connection'}`;
  return fail(isForGood(cause) ? 'mail.refused' : 'mail.unavailable', { internal, cause });
}
