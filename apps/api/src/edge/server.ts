import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import { type Log, NestLog } from '#infra/telemetry';
import type { ApiConfig } from '../api.config.js';
import { answerClientError } from './client-errors.js';
import { installEdge } from './edge.js';
import { handlersOf } from './handlers.js';
import { observeUnrouted } from './observe.js';
import type { EdgeParts } from './ports.js';
import { ProblemAnswers } from './problem-answers.js';
import { assertCompleteRules, type KnownNames } from './route-check.js';
import { securityHeaders } from './security-headers.js';
import { headersTimeoutMs, serverOptions } from './server-options.js';

export interface ServerPlan {
  readonly config: ApiConfig;
  readonly log: Log;
  readonly known: KnownNames;
  /** Called once the modules stand. */
  readonly partsOf: (app: NestFastifyApplication) => EdgeParts;
  /** Routes that no controller serves: documents, metrics. */
  readonly openRoutes: (app: NestFastifyApplication, server: FastifyInstance) => void;
}

/** The modules behind the edge, initialised and ready for requests but not yet listening. */
export async function buildServer(
  root: Type<unknown> | DynamicModule,
  plan: ServerPlan,
): Promise<NestFastifyApplication> {
  const problems = new ProblemAnswers(plan.log);
  const late: Late = {};
  const app = await NestFactory.create<NestFastifyApplication>(root, adapter(plan, problems, late), {
    logger: new NestLog(plan.log),
    bodyParser: false,
    abortOnError: false,
  });
  const server = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  // As an option, Node takes no headersTimeout above requestTimeout.
  server.server.headersTimeout = headersTimeoutMs;
  assertCompleteRules(handlersOf(app), plan.known);
  late.parts = plan.partsOf(app);
  await installEdge(server, late.parts);
  app.useGlobalFilters(problems);
  plan.openRoutes(app, server);
  await app.init();
  await server.ready();
  return app;
}

/** The adapter stands before the modules, from which the parts come. */
interface Late {
  parts?: EdgeParts;
}

function adapter({ config, log }: ServerPlan, problems: ProblemAnswers, late: Late): FastifyAdapter {
  const options = {
    ...serverOptions(config),
    // There is no Nest middleware, and the hook that would run it costs every request something.
    skipMiddie: true,
    clientErrorHandler: answerClientError(log),
    // The router refuses a malformed URL before any hook has run.
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      if (late.parts) observeUnrouted(request, reply, late.parts);
      reply.headers(securityHeaders).header('x-request-id', request.id);
      problems.answer(error, request, reply);
    },
  };
  return new FastifyAdapter<RawServerDefault>(options);
}
