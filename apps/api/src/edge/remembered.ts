import type { FastifyReply, FastifyRequest } from 'fastify';
import { isId, type TenantContext } from '#infra/kernel';
import { entityTag } from './answer-headers.js';

/** An entity as memory has it: the same frozen object for as long as it is kept. */
export interface RememberedEntity {
  readonly version: number;
}

/** Finds what a path of ids names in the memory of this process; undefined where a handler has to find it. Never throws. */
export type Recall = (ctx: TenantContext, path: Readonly<Record<string, string>>) => RememberedEntity | undefined;

const jsonType = 'application/json; charset=utf-8';

/**
 * Answers a read of an entity that is in memory with the text that its handler once made of this very object. The text is
 * gone when the object is: what ends the entity in memory ends its answer. Only for answers that are the same for all who may ask.
 */
export class RememberedAnswers {
  readonly #texts = new WeakMap<RememberedEntity, string>();

  constructor(private readonly recall: Recall) {}

  /** The last of the hooks before the handler: who asks is known, counted and allowed by now. */
  answer = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const entity = this.#entityOf(request);
    const text = entity === undefined ? undefined : this.#texts.get(entity);
    if (entity === undefined || text === undefined) {
      done();
      return;
    }
    request.remembered = true;
    reply.header('etag', entityTag(entity.version)).header('content-type', jsonType).send(text);
  };

  /** Of what the handler has answered. */
  remember = (
    request: FastifyRequest,
    reply: FastifyReply,
    payload: unknown,
    done: (error: Error | null, payload?: unknown) => void,
  ): void => {
    const isNew = !request.remembered && reply.statusCode === 200 && typeof payload === 'string';
    const entity = isNew ? this.#entityOf(request) : undefined;
    const isOfThis = entity !== undefined && reply.getHeader('etag') === entityTag(entity.version);
    if (isOfThis && !this.#texts.has(entity)) this.#texts.set(entity, String(payload));
    done(null, payload);
  };

  /** Whatever is wrong with the path is for the handler's schemas to say. */
  #entityOf({ ctx, params, query }: FastifyRequest): RememberedEntity | undefined {
    for (const _ in query as object) return undefined;
    for (const id of Object.values(params as Record<string, string>)) if (!isId(id)) return undefined;
    return ctx.tenant === null ? undefined : this.recall(ctx as TenantContext, params as Record<string, string>);
  }
}
