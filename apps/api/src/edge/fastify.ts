import type { Context } from '#infra/kernel';
import type { Admission } from '#infra/throttling';
import type { RouteFacts } from './access.js';
import type { Cursors } from './cursors.js';
import type { Asked } from './inputs.js';
import type { Observing } from './observing.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Made by the access guard; absent on the few open routes that no rule governs. */
    ctx: Context;
    startedAtMs: number;
    /** Of lists. */
    asked: Asked;
    /** Code of the problem that was answered, for the log. */
    problemCode: string | undefined;
    observed: boolean;
    /** The handler found what it was asked to make. */
    known: boolean;
    /** It was answered with a text that was made before. */
    remembered: boolean;
    /** Before it was let in; 0 for almost all. */
    waitedMs: number;
    /** Where a slot is owed back. */
    admitted: Admission | undefined;
    /** The caller went away before the answer. */
    abandoned: boolean;
  }
  interface FastifyInstance {
    cursors: Cursors;
  }
  interface FastifyContextConfig extends Partial<RouteFacts> {
    observing?: Observing;
    /** Says why a route has no access rule: a page, a file or a probe without personal data. */
    open?: 'docs' | 'metrics' | 'probe' | 'static';
  }
}
