import { type Agent, request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls, type SecureVersion } from 'node:tls';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

type Asking = Pick<RequestOptions, 'method' | 'headers' | 'agent' | 'localAddress'> & {
  readonly body?: string;
  readonly ca?: string;
};

/** One request. Rejects when the connection is lost before the answer is whole. */
export function ask(url: string, { body, ...options }: Asking = {}): Promise<Answer> {
  const start = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const asked = start(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    asked.once('error', reject);
    asked.end(body);
  });
}

/** Which instance answered. */
export const nameIn = ({ body }: Answer): string => (JSON.parse(body) as { readonly name: string }).name;

/** So many requests one after the other, over the agent's connections. */
export async function askTimes(times: number, url: string, agent: Agent): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let n = 0; n < times; n += 1) answers.push(await ask(url, { agent }));
  return answers;
}

/** The version that client and server agree on, when the client speaks only this one; undefined when they do not. */
export function agreedTls(port: number, version: SecureVersion): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      minVersion: version,
      maxVersion: version,
      ciphers: 'DEFAULT:@SECLEVEL=0',
      rejectUnauthorized: false,
    });
    socket.once('secureConnect', () => {
      const agreed = socket.getProtocol() ?? undefined;
      socket.destroy();
      resolve(agreed);
    });
    socket.once('error', () => resolve(undefined));
  });
}

/** Sends headers byte by byte and never ends them. Resolves when the server ends it: what it said, and after how long. */
export function dribble(port: number, everyMs: number): Promise<{ readonly said: string; readonly afterMs: number }> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let said = '';
    socket.write('GET /slow HTTP/1.1\r\nhost: localhost\r\nx-slow: ');
    const timer = setInterval(() => socket.write('a'), everyMs);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      said += chunk.toString('utf8');
    });
    socket.once('end', () => socket.end());
    socket.once('close', () => {
      clearInterval(timer);
      resolve({ said, afterMs: performance.now() - startedAt });
    });
  });
}
