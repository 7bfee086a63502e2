import { fail } from './mail.errors.js';
import type { Mail } from './mailer.js';

/** RFC 5321: 64 for the part before @, 255 for the domain. */
const maxAddressLength = 320;
const maxSubjectLength = 200;
const maxTextBytes = 64 * 1_024;
const address = /^[^\s@<>(),;:"\\[\]]+@[^\s@<>(),;:"\\[\]]+$/;

/** The mail as nodemailer takes it: one recipient, plain text, no header that could be smuggled in. Throws mail.refused. */
export function messageOf(mail: Mail, from: string) {
  const { id, to, subject, text } = mail;
  if (to.length > maxAddressLength || !address.test(to))
    throw fail('mail.refused', { internal: 'recipient is malformed' });
  if (subject.length > maxSubjectLength || /[\r\n]/.test(subject))
    throw fail('mail.refused', { internal: 'subject is malformed' });
  if (Buffer.byteLength(text) > maxTextBytes) throw fail('mail.refused', { internal: 'text is too long' });
  return {
    from,
    to: { name: '', address: to },
    subject,
    text,
    messageId: `<${id}@${domainOf(from)}>`,
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

const domainOf = (from: string): string => /@([^\s@>]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
