import { once } from 'node:events';
import { Agent, type ClientRequest, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Post } from '@nestjs/common';
import { z } from 'zod';
import { type Context, isAppError } from '#infra/kernel';
import { waitUntil } from '#infra/testing';
import { Access, BodyBytes, type BodyStream, Ctx, TellKnown } from '../src/edge/index.js';
import { baseTime, bearer, type Edge, person, startEdge } from './edge-fixture.js';

const limitBytes = 1_000;
const rule = {
  permission: 'things.manage',
  audit: 'thing.send',
  limit: 'write',
  receives: 'csv',
  bodyLimitBytes: limitBytes,
  bodyDeadlineMs: 1_500,
  status: 202,
  answers: z.strictObject({ bytes: z.int() }),
} as const;

/** What handlers heard: how much of a body, and how it ended. */
const heard: (number | string)[] = [];
let deadline = 0;

@Controller('files')
class FilesController {
  @Post()
  @Access({ ...rule, known: 'An empty file is known to everybody', summary: 'Takes a file' })
  async take(@Ctx() ctx: Context, @BodyBytes() bytes: BodyStream, @TellKnown() tellKnown: () => void) {
    deadline = ctx.deadline;
    let total = 0;
    try {
      for await (const chunk of bytes) {
        total += chunk.length;
        heard.push(chunk.length);
      }
    } catch (error) {
      heard.push(isAppError(error) ? error.code : String(error));
      throw error;
    }
    if (total === 0) tellKnown();
    return { bytes: total };
  }

  @Post('unread')
  @Access({ ...rule, summary: 'Takes a file and does not look at it' })
  unread(@BodyBytes() _bytes: BodyStream) {
    return { bytes: 0 };
  }
}

const manager = person(['things.read', 'things.manage']);
let edge: Edge;
let port: number;
beforeAll(async () => {
  edge = await startEdge({ controllers: [FilesController], people: [manager] });
  await edge.app.listen(0, '127.0.0.1');
  port = (edge.app.getHttpServer().address() as AddressInfo).port;
});
beforeEach(() => void heard.splice(0));
afterAll(() => edge?.app.close());

const send = (
  path = '/files',
  headers: Record<string, string | number> = {},
  agent: Agent | false = false,
): ClientRequest =>
  request({
    host: '127.0.0.1',
    port,
    path,
    method: 'POST',
    agent,
    headers: { ...bearer(manager), 'content-type': 'text/csv', ...headers },
  });
async function answerTo(call: ClientRequest) {
  const [response] = await once(call, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return {
    status: response.statusCode,
    connection: response.headers.connection,
    json: JSON.parse(Buffer.concat(chunks).toString()),
  };
}
const until = async (count: number): Promise<void> => {
  expect(await waitUntil(async () => heard.length >= count, 10_000)).toBe(true);
};

describe('a body of bytes', () => {
  it('reaches its handler as it arrives, not when it is complete', async () => {
    const call = send();
    call.write('a,b\n');
    await until(1);
    call.write('1,2,3\n');
    await until(2);
    call.end();
    expect(await answerTo(call)).toMatchObject({ status: 202, json: { bytes: 10 } });
    expect(heard).toEqual([4, 6]);
  });

  it('gives its handler the time that the body may take besides the usual 30 s', async () => {
    const call = send();
    call.end('a');
    await answerTo(call);
    expect(deadline).toBe(baseTime + 30_000 + rule.bodyDeadlineMs);
  });

  it('may be as long as its route takes, and is cut at the first byte beyond', async () => {
    const fits = send();
    fits.end('x'.repeat(limitBytes));
    expect(await answerTo(fits)).toMatchObject({ status: 202, json: { bytes: limitBytes } });
    const announced = send('/files', { 'content-length': limitBytes + 1 });
    announced.flushHeaders();
    const tooLong = { status: 413, connection: 'close', json: { code: 'request.too_large' } };
    expect(await answerTo(announced)).toMatchObject(tooLong);
    heard.splice(0);
    const counted = send();
    counted.write('x'.repeat(limitBytes));
    await until(1);
    counted.write('x');
    expect(await answerTo(counted)).toMatchObject(tooLong);
    expect(heard).toEqual([limitBytes, 'request.too_large']);
  });

  it('that does not arrive in time is answered 408, the connection closes, and the handler is told', async () => {
    const call = send();
    call.write('a,b\n');
    expect(await answerTo(call)).toMatchObject({
      status: 408,
      connection: 'close',
      json: { code: 'request.body_too_slow' },
    });
    await until(2);
    expect(heard).toEqual([4, 'request.broken_off']);
    expect(edge.lines.of('request.failed')).toEqual([]);
  });

  it('that breaks off ends its handler, and is no failure of ours', async () => {
    const call = send();
    call.on('error', () => undefined);
    call.write('a,b\n');
    await until(1);
    call.destroy();
    await until(2);
    expect(heard).toEqual([4, 'request.broken_off']);
    expect(edge.lines.of('request.failed')).toEqual([]);
  });

  it('that is empty or missing has no bytes; what is known already is answered 200', async () => {
    for (const [name, value] of [
      ['content-length', 0],
      ['transfer-encoding', 'chunked'],
    ] as const) {
      const call = send('/files', { [name]: value });
      call.end();
      expect(await answerTo(call)).toMatchObject({ status: 200, json: { bytes: 0 } });
    }
  });

  it('that its handler does not read does no harm to the next request on the same connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const unread = send('/files/unread', {}, agent);
    unread.end('x'.repeat(900));
    expect((await answerTo(unread)).status).toBe(202);
    const next = send('/files', {}, agent);
    next.end('a');
    expect(await answerTo(next)).toMatchObject({ status: 202, json: { bytes: 1 } });
    expect(next.reusedSocket).toBe(true);
    agent.destroy();
  });
});
