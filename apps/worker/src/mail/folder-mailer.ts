import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { isId } from '#infra/kernel';
import { fail } from './mail.errors.js';
import { type Mail, Mailer } from './mailer.js';
import { messageOf } from './message.js';

interface FolderOptions {
  readonly folder: string;
  readonly from: string;
}

/** Puts each mail as `<id>.eml` into a folder that only its owner can read: for laptops, where no mail server is. */
export class FolderMailer extends Mailer {
  readonly #transport = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });

  constructor(private readonly options: FolderOptions) {
    super();
  }

  async send(mail: Mail): Promise<void> {
    const { folder, from } = this.options;
    if (!isId(mail.id)) throw fail('mail.refused', { internal: 'id is not a uuid' });
    const { message } = await this.#transport.sendMail(messageOf(mail, from));
    const unfinished = join(folder, `.${mail.id}.tmp`);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(unfinished, message as Buffer, { mode: 0o600 });
      await rename(unfinished, join(folder, `${mail.id}.eml`));
    } catch (cause) {
      throw fail('mail.unavailable', { internal: 'the mail folder cannot be written', cause });
    }
  }

  /** Each mail finds out for itself. */
  async check(): Promise<void> {}

  close(): void {
    this.#transport.close();
  }
}
