import { createServer, type Server, type Socket } from 'node:net';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly user: string | undefined;
  /** The message as it was sent, dots unstuffed. */
  readonly data: string;
}

/** Replies instead of the usual ones, by command; `body` is the reply to the end of the message. */
export type Answers = Readonly<Partial<Record<'EHLO' | 'AUTH' | 'MAIL FROM' | 'RCPT TO' | 'DATA' | 'body', string>>>;

interface Dialogue {
  from: string;
  to: string[];
  user: string | undefined;
  inBody: boolean;
}

/** A mail server for tests: RFC 5321 with AUTH PLAIN, without TLS. It keeps what it receives. */
export class FakeSmtpServer {
  readonly mails: ReceivedMail[] = [];
  /** Mails that somebody began to send. */
  tried = 0;
  answers: Answers = {};
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => this.#talk(socket));
  }

  static start(host = '127.0.0.1'): Promise<FakeSmtpServer> {
    const server = createServer();
    const fake = new FakeSmtpServer(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, host, () => resolve(fake));
    });
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  #talk(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const dialogue: Dialogue = { from: '', to: [], user: undefined, inBody: false };
    let pending = '';
    socket.write('220 fake ESMTP\r\n');
    socket.on('data', (chunk) => {
      pending += chunk.toString('latin1');
      for (;;) {
        const end = pending.indexOf(dialogue.inBody ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const piece = pending.slice(0, end);
        pending = pending.slice(end + (dialogue.inBody ? 5 : 2));
        socket.write(`${dialogue.inBody ? this.#body(dialogue, piece) : this.#command(dialogue, piece)}\r\n`);
        if (/^QUIT/i.test(piece) && !dialogue.inBody) socket.end();
      }
    });
  }

  #command(dialogue: Dialogue, line: string): string {
    const upper = line.toUpperCase();
    if (upper.startsWith('EHLO')) return this.answers.EHLO ?? '250-fake\r\n250-AUTH PLAIN\r\n250 8BITMIME';
    if (upper.startsWith('AUTH PLAIN ')) return this.answers.AUTH ?? this.#login(dialogue, line);
    if (upper.startsWith('MAIL FROM:')) {
      this.tried += 1;
      Object.assign(dialogue, { from: addressIn(line), to: [] });
      return this.answers['MAIL FROM'] ?? '250 OK';
    }
    if (upper.startsWith('RCPT TO:')) {
      if (this.answers['RCPT TO']) return this.answers['RCPT TO'];
      dialogue.to.push(addressIn(line));
      return '250 OK';
    }
    if (upper === 'DATA') {
      if (this.answers.DATA) return this.answers.DATA;
      dialogue.inBody = true;
      return '354 go on';
    }
    return /^(RSET|NOOP|QUIT)/.test(upper) ? '250 OK' : '502 not known';
  }

  #login(dialogue: Dialogue, line: string): string {
    dialogue.user = Buffer.from(line.slice('AUTH PLAIN '.length), 'base64').toString().split('\0')[1];
    return '235 OK';
  }

  #body(dialogue: Dialogue, data: string): string {
    dialogue.inBody = false;
    if (this.answers.body) return this.answers.body;
    const { from, to, user } = dialogue;
    this.mails.push({ from, to, user, data: data.replaceAll('\r\n..', '\r\n.') });
    return '250 accepted';
  }
}

const addressIn = (line: string): string => /<([^>]*)>/.exec(line)?.[1] ?? '';
