import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What a test makes it do instead of judging. */
export type Trouble = 'status 500' | 'no json' | 'too long' | 'silence';

/** The protocol of hCaptcha, reCAPTCHA and Turnstile: each token that was solved here passes once, with the right secret. */
export class FakeSiteverify {
  /** Bodies as they came. */
  readonly asked: URLSearchParams[] = [];
  trouble: Trouble | undefined;
  readonly #solved = new Set<string>();

  private constructor(
    private readonly server: Server,
    private readonly secret: string,
  ) {}

  static async start(secret: string): Promise<FakeSiteverify> {
    const server = createServer();
    const fake = new FakeSiteverify(server, secret);
    server.on('request', (request, response) => {
      void text(request).then((body) => {
        fake.asked.push(new URLSearchParams(body));
        if (fake.trouble === 'silence') return;
        const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
        response.statusCode = fake.trouble === 'status 500' ? 500 : 200;
        response.setHeader('content-type', 'application/json');
        response.end(fake.#answer(request.method === 'POST' && isForm, new URLSearchParams(body)));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/siteverify`;
  }

  /** A person has solved a puzzle: the token that their browser gets. */
  solve(): string {
    const token = `solved-${this.#solved.size}-${this.asked.length}`;
    this.#solved.add(token);
    return token;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #answer(isRightForm: boolean, body: URLSearchParams): string {
    if (this.trouble === 'no json') return '<html>';
    if (this.trouble === 'too long') return JSON.stringify({ success: true, filler: 'x'.repeat(20_000) });
    const codes = this.#faults(isRightForm, body);
    return JSON.stringify({ success: codes.length === 0, 'error-codes': codes, hostname: 'app.example' });
  }

  #faults(isRightForm: boolean, body: URLSearchParams): string[] {
    if (!isRightForm) return ['bad-request'];
    if (body.get('secret') !== this.secret) return ['invalid-input-secret'];
    return this.#solved.delete(body.get('response') ?? '') ? [] : ['timeout-or-duplicate'];
  }
}
