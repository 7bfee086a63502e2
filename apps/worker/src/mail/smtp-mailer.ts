import { createTransport } from 'nodemailer';
import type { Secret } from '#infra/config';
import { fail } from './mail.errors.js';
import { type Mail, Mailer } from './mailer.js';
import { messageOf } from './message.js';

const maxConnections = 5;
const connectTimeoutMs = 10_000;
const answerTimeoutMs = 30_000;
const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

interface SmtpOptions {
  /** smtp:// upgrades by STARTTLS and, except on loopback, refuses to go on without; smtps:// speaks TLS at once. */
  readonly url: Secret;
  readonly from: string;
}

/** Hands mails to an SMTP server over at most five connections. */
export class SmtpMailer extends Mailer {
  readonly #transport;

  constructor(private readonly options: SmtpOptions) {
    super();
    this.#transport = createTransport({
      ...serverOf(new URL(options.url.reveal())),
      pool: true,
      maxConnections,
      connectionTimeout: connectTimeoutMs,
      greetingTimeout: connectTimeoutMs,
      socketTimeout: answerTimeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send(mail: Mail): Promise<void> {
    const message = messageOf(mail, this.options.from);
    try {
      await this.#transport.sendMail(message);
    } catch (error) {
      throw translate(error);
    }
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

/** RFC 5321: 5xx is for good where it speaks of this mail; elsewhere the server does not let us in, a matter of settings. */
const aboutTheMail = new Set(['MAIL FROM', 'RCPT TO', 'DATA']);
const authenticationRequired = 530;

function translate(cause: unknown) {
  const { responseCode = 0, code, command = '' } = cause as { responseCode?: number; code?: string; command?: string };
  const internal = `smtp ${responseCode || (code ?? 'failure')} at ${command || 'connection'}`;
  const forGood = responseCode >= 500 && responseCode !== authenticationRequired && aboutTheMail.has(command);
  return fail(forGood ? 'mail.refused' : 'mail.unavailable', { internal, cause });
}
