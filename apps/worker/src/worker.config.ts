import { integer, optional, secretUrl, slice, text, type Values } from '#infra/config';

export const workerConfig = slice(
  'Worker',
  {
    port: integer('WORKER_PORT', {
      min: 0,
      max: 65_535,
      default: 3_100,
      description: 'where the worker answers /health/live, /health/ready and /metrics; 0 takes any free port',
    }),
    host: text('WORKER_HOST', { default: '0.0.0.0', description: 'address that the worker listens on' }),
    smtpUrl: optional(
      secretUrl('SMTP_URL', ['smtp', 'smtps'], {
        description: 'mail server, with user and password; smtp:// must offer STARTTLS unless it is on this machine',
      }),
    ),
    mailFolder: optional(
      text('MAIL_FOLDER', { description: 'folder that mails are written into instead of being sent, for laptops' }),
    ),
    mailFrom: text('MAIL_FROM', {
      default: 'Praxis <no-reply@praxis.invalid>',
      description: 'sender of every mail',
    }),
  },
  (v) => [
    ...((v.smtpUrl === undefined) === (v.mailFolder === undefined)
      ? ['exactly one of SMTP_URL and MAIL_FOLDER must be set']
      : []),
    ...(v.smtpUrl !== undefined && v.mailFrom.endsWith('.invalid>')
      ? ['MAIL_FROM is required where SMTP_URL is set']
      : []),
  ],
);
export type WorkerConfig = Values<(typeof workerConfig)['variables']>;
