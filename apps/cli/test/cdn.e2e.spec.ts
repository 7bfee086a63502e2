import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { CompiledProduct, projectRoot } from '#infra/testing';
import { RunningProcess } from './running-process.js';

const zone = '023e105f4ecef8ad9ca31a8372d0c353';
const token = 'a-token-that-nobody-may-see';
const rulesetId = '2f2feab2026849078ba485f918791bdc';

interface Heard {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** Speaks as Cloudflare's API does: an envelope with success and errors, 429 with Retry-After. */
class CloudflareStandIn {
  readonly heard: Heard[] = [];
  readonly #answers: { status: number; body: object; headers?: Record<string, string> }[] = [];
  readonly #server: Server = createServer(async (request, answer) => {
    const { method, url, headers } = request;
    const sent = await text(request);
    const body = sent === '' ? undefined : JSON.parse(sent);
    this.heard.push({ method, url, authorization: headers.authorization, body });
    const next = this.#answers.shift() ?? this.#usual(method);
    answer
      .writeHead(next.status, { 'content-type': 'application/json', ...next.headers })
      .end(JSON.stringify(next.body));
  });

  /** The zone's cache rules, as somebody else left them; null: none yet. */
  rules: object[] | null = null;

  #usual(method: string | undefined): { status: number; body: object; headers?: Record<string, string> } {
    if (method === 'GET' && this.rules === null)
      return {
        status: 404,
        body: { success: false, errors: [{ code: 10_003, message: 'could not find entrypoint' }] },
      };
    const result = method === 'GET' ? { id: rulesetId, rules: this.rules } : {};
    return { status: 200, body: { success: true, errors: [], messages: [], result } };
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/client/v4`;
  }

  answerNext(status: number, body: object, headers: Record<string, string> = {}): void {
    this.#answers.push({ status, body, headers });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('praxis cdn', () => {
  const product = new CompiledProduct('apps', 'libs', 'migrations');
  const cloudflare = new CloudflareStandIn();
  let apiUrl: string;
  beforeAll(async () => {
    apiUrl = await cloudflare.start();
  });
  afterAll(async () => {
    await cloudflare.stop();
    product.remove();
  });
  beforeEach(() => {
    cloudflare.heard.length = 0;
    cloudflare.rules = null;
  });

  const praxis = async (args: readonly string[], env: Record<string, string> = {}) => {
    const run = new RunningProcess(product.program('apps/cli/src/main.ts'), ['cdn', ...args], env);
    const { code } = await run.exited;
    return { code, out: run.out.join('\n'), err: run.err.join('\n') };
  };
  const whole = () => ({ CLOUDFLARE_ZONE_ID: zone, CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_API_URL: apiUrl });
  const settingsHeard = () =>
    cloudflare.heard
      .filter(({ url }) => url?.includes('/settings/'))
      .map(({ url, body }) => [url?.split('/').at(-1), (body as { value: unknown }).value]);

  it('[A-031] [A-033] [A-034] [A-035] [A-036] [A-055] without zone and token a dry run prints what it would set, and exits 0', async () => {
    const { code, out } = await praxis(['apply', '--dry-run']);
    expect(code).toBe(0);
    for (const line of [
      'settings/always_online {"value":"on"}',
      'settings/browser_cache_ttl {"value":31536000}',
      'settings/cache_level {"value":"aggressive"}',
      'settings/polish {"value":"lossless"}',
      'settings/webp {"value":"on"}',
    ])
      expect(out).toContain(`would PATCH zones/{CLOUDFLARE_ZONE_ID}/${line}`);
    expect(out).toContain('minify: removed by vendor');
    expect(out).toContain('would keep rule praxis_public_catalogues in zones/{CLOUDFLARE_ZONE_ID}/rulesets ');
    expect(cloudflare.heard).toEqual([]);
  });

  it('[A-068] without them it does nothing, exits 1 and names what is missing', async () => {
    const { CLOUDFLARE_ZONE_ID: _, ...zoneless } = whole();
    const { CLOUDFLARE_API_TOKEN: __, ...tokenless } = whole();
    expect(await praxis(['apply'], zoneless)).toMatchObject({
      code: 1,
      err: expect.stringContaining('CLOUDFLARE_ZONE_ID'),
    });
    expect(await praxis(['purge', '--everything'], tokenless)).toMatchObject({
      code: 1,
      err: expect.stringContaining('CLOUDFLARE_API_TOKEN'),
    });
    expect(cloudflare.heard).toEqual([]);
    expect(readersOf('CLOUDFLARE_ZONE_ID')).toEqual(['apps/cli/src/cdn/commands.ts', 'apps/cli/src/cli.config.ts']);
  });

  it('[A-069] sets every setting with the token, which it never prints and no app reads', async () => {
    const { code, out, err } = await praxis(['apply'], whole());
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(settingsHeard()).toEqual([
      ['always_online', 'on'],
      ['browser_cache_ttl', 31_536_000],
      ['cache_level', 'aggressive'],
      ['polish', 'lossless'],
      ['webp', 'on'],
    ]);
    expect(new Set(cloudflare.heard.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${token}`]));
    expect(out + err).not.toContain(token);
    expect(readersOf('CLOUDFLARE_API_TOKEN')).toEqual(['apps/cli/src/cdn/commands.ts', 'apps/cli/src/cli.config.ts']);
  });

  it('what a zone does not let one edit is named, the rest is set, and the exit code is 1', async () => {
    const refusal = { success: false, errors: [{ code: 1_006, message: 'not editable on this plan' }] };
    cloudflare.answerNext(400, refusal);
    const { code, out, err } = await praxis(['apply'], whole());
    expect(code).toBe(1);
    expect(out).toContain('always_online {"value":"on"}: refused, HTTP 400: 1006 not editable on this plan');
    expect(err).toContain('refused 1 of these');
    expect(settingsHeard()).toHaveLength(5);
  });

  it('lets Cloudflare keep public catalogues as their headers say, once, beside the rules that others made', async () => {
    const rules = `/client/v4/zones/${zone}/rulesets/${rulesetId}/rules`;
    const entrypoint = `/client/v4/zones/${zone}/rulesets/phases/http_request_cache_settings/entrypoint`;
    const others = { id: 'rule-1', ref: 'of-somebody-else' };
    const ours = { id: 'rule-2', ref: 'praxis_public_catalogues' };
    const rule = expect.objectContaining({
      ref: ours.ref,
      expression: 'starts_with(http.request.uri.path, "/api/v1/catalogues/")',
      action_parameters: {
        cache: true,
        edge_ttl: { mode: 'bypass_by_default' },
        browser_ttl: { mode: 'respect_origin' },
      },
    });
    for (const [there, method, url, body] of [
      [null, 'PUT', entrypoint, { rules: [rule] }],
      [[others], 'POST', rules, rule],
      [[others, ours], 'PATCH', `${rules}/rule-2`, rule],
    ] as const) {
      cloudflare.rules = there === null ? null : [...there];
      cloudflare.heard.length = 0;
      expect(await praxis(['apply'], whole())).toMatchObject({ code: 0 });
      const [read, change, ...more] = cloudflare.heard.filter((each) => each.url?.includes('/rulesets/'));
      expect(read).toMatchObject({ method: 'GET', url: entrypoint });
      expect(change).toMatchObject({ method, url, body });
      expect(more).toEqual([]);
    }
  });

  it('waits where Cloudflare says so, and repeats', async () => {
    cloudflare.answerNext(429, { success: false, errors: [] }, { 'retry-after': '0' });
    cloudflare.answerNext(502, {}, { 'retry-after': '0' });
    expect(await praxis(['purge', '--everything'], whole())).toMatchObject({ code: 0 });
    expect(cloudflare.heard.map(({ body }) => body)).toEqual(
      Array.from({ length: 3 }, () => ({ purge_everything: true })),
    );
  });

  it('purges files thirty at a time, and nothing that is no address', async () => {
    const files = Array.from({ length: 31 }, (_, n) => `https://clinic.example/docs/${n}.js`);
    expect(await praxis(['purge', ...files], whole())).toMatchObject({ code: 0 });
    expect(cloudflare.heard.map(({ body }) => (body as { files: string[] }).files.length)).toEqual([30, 1]);
    expect((await praxis(['purge', '/docs'], whole())).code).toBe(2);
    expect((await praxis(['purge'], whole())).code).toBe(2);
    expect((await praxis(['purge', '--everything', ...files], whole())).code).toBe(2);
  });
});

/** Sources that name a variable, the specs left out. */
function readersOf(variable: string): string[] {
  return ['apps', 'libs', 'migrations']
    .flatMap((folder) =>
      readdirSync(join(projectRoot(), folder), { recursive: true, encoding: 'utf8' })
        .map((file) => `${folder}/${file}`)
        .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
        .filter((file) => readFileSync(join(projectRoot(), file), 'utf8').includes(variable)),
    )
    .sort();
}
