import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '#infra/config';
import { newId } from '#infra/kernel';
import { createLog, Metrics } from '#infra/telemetry';
import { FakeSmtpServer } from '../../test/fake-smtp-server.js';
import { FolderMailer } from './folder-mailer.js';
import type { Mail, Mailer } from './mailer.js';
import { SmtpMailer } from './smtp-mailer.js';

const from = 'Praxis <no-reply@clinic.example>';
const log = createLog({ level: 'silent', service: 'test' }, { app: 'worker', version: '0' });
const told = { log, metrics: new Metrics() };

/** A mailer, what came out of it, and how to make it fail. */
interface Rig {
  readonly mailer: Mailer;
  delivered(): Promise<readonly string[]>;
  breakDown(): Promise<void>;
  end(): Promise<void>;
}

async function folderRig(): Promise<Rig & { folder: string }> {
  const home = await mkdtemp(join(tmpdir(), 'praxis-mail-'));
  const folder = join(home, 'mails');
  const mailer = new FolderMailer({ folder, from });
  return {
    folder,
    mailer,
    delivered: async () =>
      Promise.all((await readdir(folder)).sort().map((name) => readFile(join(folder, name), 'utf8'))),
    breakDown: () => writeFile(folder, 'a file where the folder should be'),
    end: async () => {
      mailer.close();
      await rm(home, { recursive: true });
    },
  };
}

async function smtpRig(): Promise<Rig & { server: FakeSmtpServer }> {
  const server = await FakeSmtpServer.start();
  const mailer = new SmtpMailer({ ...told, url: new Secret(`smtp://user:pass@127.0.0.1:${server.port}`), from });
  return {
    server,
    mailer,
    delivered: async () => server.mails.map((mail) => mail.data),
    breakDown: () => server.stop(),
    end: async () => {
      mailer.close();
      await server.stop();
    },
  };
}

const mail = (changes: Partial<Mail> = {}): Mail => ({
  id: newId(),
  to: 'ada@example.org',
  subject: 'Your invitation',
  text: 'Welcome.\n.\nA line after a lonely dot.\n',
  ...changes,
});

/** The text of a message whatever its transfer encoding. */
function bodyOf(message: string): string {
  const [head = '', ...rest] = message.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  if (/Content-Transfer-Encoding: base64/i.test(head)) return Buffer.from(body, 'base64').toString('utf8');
  if (!/Content-Transfer-Encoding: quoted-printable/i.test(head)) return body;
  const bytes = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number(`0x${hex}`)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

describe.each([
  ['into a folder', folderRig],
  ['over SMTP', smtpRig],
])('a mailer %s', (_, makeRig: () => Promise<Rig>) => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await makeRig();
  });
  afterEach(() => rig.end());

  it('delivers recipient, sender, subject and text', async () => {
    const sent = mail();
    await rig.mailer.send(sent);
    const [message, ...others] = await rig.delivered();
    expect(others).toEqual([]);
    expect(message).toMatch(/^To: <?ada@example\.org>?\r$/m);
    expect(message).toMatch(/^From: Praxis <no-reply@clinic\.example>\r$/m);
    expect(message).toMatch(/^Subject: Your invitation\r$/m);
    expect(message).toContain(`Message-ID: <${sent.id}@clinic.example>\r\n`);
    expect(bodyOf(message!).replaceAll('\r\n', '\n').trimEnd()).toBe(sent.text.trimEnd());
  });

  it('keeps letters of every script', async () => {
    await rig.mailer.send(mail({ subject: 'Приглашение 招待', text: 'Žlutý kůň — 馬' }));
    const [message] = await rig.delivered();
    expect(message).toMatch(/^Subject: =\?UTF-8\?/m);
    expect(bodyOf(message!)).toContain('Žlutý kůň — 馬');
  });

  it('makes the same mail recognisable when it is sent again', async () => {
    const sent = mail();
    await rig.mailer.send(sent);
    await rig.mailer.send(sent);
    const ids = (await rig.delivered()).map((message) => /^Message-ID: (.+)\r$/m.exec(message)?.[1]);
    expect(new Set(ids)).toEqual(new Set([`<${sent.id}@clinic.example>`]));
  });

  it.each([
    ['a recipient with a line break', { to: 'ada@example.org\r\nBcc: eve@example.org' }],
    ['two recipients', { to: 'ada@example.org,eve@example.org' }],
    ['no recipient', { to: '' }],
    ['a subject with a line break', { subject: 'Hello\r\nBcc: eve@example.org' }],
    ['a text beyond 64 KiB', { text: 'x'.repeat(64 * 1_024 + 1) }],
  ])('refuses %s for good', async (_what, changes) => {
    await expect(rig.mailer.send(mail(changes))).rejects.toMatchObject({ code: 'mail.refused', kind: 'invalid' });
  });

  it('says that another try may help where it cannot deliver now', async () => {
    await rig.breakDown();
    await expect(rig.mailer.send(mail())).rejects.toMatchObject({ code: 'mail.unavailable', kind: 'unavailable' });
  });
});

describe('a mailer into a folder', () => {
  it('lets only the owner read, and writes a mail that is sent twice once', async () => {
    const rig = await folderRig();
    const sent = mail();
    await rig.mailer.send(sent);
    await rig.mailer.send(sent);
    expect(await readdir(rig.folder)).toEqual([`${sent.id}.eml`]);
    expect((await stat(join(rig.folder, `${sent.id}.eml`))).mode & 0o777).toBe(0o600);
    expect((await stat(rig.folder)).mode & 0o777).toBe(0o700);
    await rig.end();
  });
});

describe('a mailer over SMTP', () => {
  it.each([
    ['a recipient that the server rejects', { 'RCPT TO': '550 5.1.1 no such mailbox' }, 'mail.refused'],
    ['a recipient that the server greylists', { 'RCPT TO': '450 4.2.0 come back later' }, 'mail.unavailable'],
    ['a message that the server rejects', { body: '554 5.7.1 rejected' }, 'mail.refused'],
    ['credentials that the server rejects', { AUTH: '535 5.7.8 bad credentials' }, 'mail.unavailable'],
  ])('tells %s', async (_what, answers, code) => {
    const rig = await smtpRig();
    rig.server.answers = answers;
    await expect(rig.mailer.send(mail())).rejects.toMatchObject({ code });
    expect(rig.server.mails).toEqual([]);
    await rig.end();
  });

  it('sends envelope and credentials as the server expects them', async () => {
    const rig = await smtpRig();
    await rig.mailer.send(mail());
    expect(rig.server.mails).toMatchObject([
      { from: 'no-reply@clinic.example', to: ['ada@example.org'], user: 'user' },
    ]);
    await rig.end();
  });

  it('does not go on in clear text with a server elsewhere', async () => {
    const server = await FakeSmtpServer.start('0.0.0.0');
    const mailer = new SmtpMailer({ ...told, url: new Secret(`smtp://127.0.0.2:${server.port}`), from });
    await expect(mailer.send(mail())).rejects.toMatchObject({ code: 'mail.unavailable' });
    expect(server.mails).toEqual([]);
    mailer.close();
    await server.stop();
  });
});
