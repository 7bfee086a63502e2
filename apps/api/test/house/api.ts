import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { parseConfig } from '#infra/config';
import { Readiness } from '#infra/health';
import { createLog } from '#infra/telemetry';
import { openTestDatabases, type TestCluster, type TestDatabases } from '#infra/testing';
import { createApp } from '../../src/app.js';
import { apiSlices } from '../../src/settings.js';

/** Ten logins a second may come from one address. */
const triesMax = 5;
const longestWaitS = 5;

export interface Call {
  readonly method: string;
  /** Template of the OpenAPI document: `/api/v1/locations/{locationId}`. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly token?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every route pass through here
  readonly json: any;
}

/** The whole API on two shards and a replica, in this process, with everything that it writes to its log. */
export class Api {
  private constructor(
    readonly db: TestDatabases,
    readonly app: NestFastifyApplication,
    readonly logLines: string[],
  ) {}

  /** On servers of one's own where they are given. */
  static async start(env: Readonly<Record<string, string>> = {}, cluster?: TestCluster): Promise<Api> {
    const privateKey = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const db = await openTestDatabases({
      env: { TOKEN_SIGNING_KEY: privateKey, DRAIN_WAIT: '0', ...env },
      ...(cluster ? { cluster } : {}),
    });
    const settings = parseConfig(apiSlices, { ...db.env, LOG_LEVEL: 'debug', ...env });
    const logLines: string[] = [];
    const to = { write: (line: string) => void logLines.push(line) };
    const app = await createApp(settings, { log: createLog(settings.telemetry, { app: 'api', version: '0', to }) });
    await app.getHttpAdapter().getInstance().ready();
    app.get(Readiness).markStarted();
    return new Api(db, app, logLines);
  }

  async call({ method, path, params = {}, query = {}, headers = {}, body, token }: Call): Promise<Answer> {
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
    const search = new URLSearchParams(query).toString();
    const answer = await this.app.inject({
      method: method as 'GET',
      url: search === '' ? filled : `${filled}?${search}`,
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    const isJson = String(answer.headers['content-type'] ?? '').includes('json');
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: answer.body,
      json: isJson ? JSON.parse(answer.body) : null,
    };
  }

  /** A call that must succeed; where too many came before it, a moment later. */
  async must(call: Call): Promise<Answer> {
    let answer = await this.call(call);
    for (let tries = 1; tries < triesMax && answer.status === 429; tries += 1) {
      await sleep(Math.min(Number(answer.headers['retry-after']), longestWaitS) * 1_000);
      answer = await this.call(call);
    }
    if (answer.status >= 300) throw new Error(`${call.method} ${call.path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.db.close();
  }
}
