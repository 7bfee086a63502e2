import { applyDecorators, HttpCode, SetMetadata } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { z } from 'zod';
import type { Importance, LimitClassName } from '#infra/throttling';
import type { ByteMedia } from './byte-media.js';
import { type Takes, takesOf } from './handler-parameters.js';
import type { Caching } from './http-cache.js';

export const accessMetadata = 'praxis:access';

/** Everything that a route promises besides its path and its schemas. A handler without it does not boot. */
export interface AccessRule {
  /** `public`: nobody needs to log in; `self`: any user about themselves; else the permission that the user must hold. */
  readonly permission: 'public' | 'self' | (string & {});
  /** `<noun>.<verb>` as audit knows it; `none` only where no personal data and no change is involved. */
  readonly audit: 'none' | (string & {});
  /** The class of limits that one call counts against; `unlimited` is for probes only. */
  readonly limit: LimitClassName | 'unlimited';
  /** Who goes first when there is no room for all; `normal` unless said otherwise. */
  readonly importance?: Importance;
  /** `by part`: has a door of its own, because the calls that it makes go through that of requests. */
  readonly admission?: 'by part';
  /** `required`: a call without Idempotency-Key is 400; `accepted`: the key is honoured where it is sent. */
  readonly idempotency?: 'required' | 'accepted';
  /** The answer's body, for the document; null where the answer has none. */
  readonly answers: z.ZodType | null;
  /** 200 unless said otherwise. */
  readonly status?: number;
  /** What the answer means with 200 instead of that status, for the document: what was asked for is there already. */
  readonly known?: string;
  /**
   * The body is bytes of this medium, handed over as they arrive (`@BodyBytes()`); such a route names its limits in bytes
   * and time. Without it, JSON.
   */
  readonly receives?: ByteMedia;
  /** The whole body must have arrived this long after the request began; the server's own 30 s unless said otherwise. */
  readonly bodyDeadlineMs?: number;
  /** 1 MiB unless said otherwise. */
  readonly bodyLimitBytes?: number;
  /** What a client may keep of the answer; nothing unless said otherwise, and never where it is personal. */
  readonly caching?: Caching;
  /** `now`: the answer says how things stand at this moment, which its version does not tell: never 304. */
  readonly standing?: 'now';
  /**
   * The entity that this read answers, where the process can tell at once that it has it in memory (`EdgeParts.remembered`). Only
   * where the answer is the same for all who may ask, and leaves no record.
   */
  readonly remembered?: string;
  /** `none` where an answer carries secrets beside what the caller chose (BREACH); always so under /api/v1/auth. */
  readonly compression?: 'none';
  /** Codes of refusals that are this route's own, for the document: `appointment.slot_taken`. */
  readonly refusals?: readonly string[];
  /** One line for readers of the document. */
  readonly summary: string;
}

/** What Fastify's route configuration carries for the hooks of the edge. */
export interface RouteFacts {
  readonly access: AccessRule;
  readonly takes: Takes;
}

/** Says who may call a handler, what audit calls it, which limit it counts against and what it answers. */
export function Access(rule: AccessRule): MethodDecorator {
  return (target, key, descriptor) => {
    const facts: RouteFacts = { access: rule, takes: takesOf(target.constructor, key) };
    applyDecorators(SetMetadata(accessMetadata, rule), RouteConfig(facts), HttpCode(rule.status ?? 200))(
      target,
      key,
      descriptor,
    );
  };
}
