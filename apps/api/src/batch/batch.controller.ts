import { Body, Controller, Post } from '@nestjs/common';
import type { z } from 'zod';
import { type AppError, type Context } from '#infra/kernel';
import { Access, Ctx, type PartAnswer, type Parts, PartsOfBatch, problemAnswer } from '../edge/index.js';
import { batch, batchAnswer } from './batch.dto.js';
import { fail } from './batch.errors.js';

type Batch = z.infer<typeof batch>;

/** Several calls in one trip. */
@Controller('api/v1/batch')
export class BatchController {
  /** One after the other, so that each sees what those before it changed; one that fails does not stop the next. */
  @Post()
  @Access({
    permission: 'self',
    audit: 'none',
    limit: 'read',
    admission: 'by part',
    answers: batchAnswer,
    summary: 'Up to 20 calls in one, in order; each has its own status, limits and audit, and no transaction spans two',
  })
  async run(@Ctx() ctx: Context, @Body({ schema: batch }) { requests }: Batch, @PartsOfBatch() parts: Parts) {
    const responses: PartAnswer[] = [];
    for (const [index, { headers = {}, body, ...request }] of requests.entries()) {
      if (parts.callerIsGone) break;
      const sent = { ...request, headers: withoutGaps(headers), body };
      responses.push(
        parts.timeIsUp ? refused(ctx, fail('batch.out_of_time')) : await answerOf(ctx, parts, sent, index + 1),
      );
    }
    return { responses };
  }
}

async function answerOf(ctx: Context, parts: Parts, part: Parameters<Parts['call']>[0], number: number) {
  try {
    const answer = await parts.call(part, number);
    return answer.body === undefined ? refused(ctx, fail('batch.not_json')) : answer;
  } catch (error) {
    return refused(ctx, fail('batch.broken_off', { cause: error }));
  }
}

const refused = (ctx: Context, error: AppError): PartAnswer => problemAnswer(error, ctx.requestId);

const withoutGaps = (headers: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined));
