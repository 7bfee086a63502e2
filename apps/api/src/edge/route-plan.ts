import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { InputMistake } from '#infra/kernel';
import type { AccessRule } from './access.js';
import { accessGuard } from './access-guard.js';
import { admit } from './admission.js';
import { tagVersion } from './answer-headers.js';
import { closeEarly, expectBytes } from './body-bytes.js';
import { bodyDeadline } from './body-deadline.js';
import { tellConsistency } from './consistency.js';
import { fail } from './edge.errors.js';
import type { Takes } from './handler-parameters.js';
import { answerUnchanged } from './http-cache.js';
import { readIdempotencyKey, tellReplay } from './idempotency.js';
import { readInputs } from './inputs.js';
import { answerKnown } from './known.js';
import { slowDownFailures } from './limit-guard.js';
import type { EdgeParts } from './ports.js';
import { RememberedAnswers } from './remembered.js';
import { requestTimeoutMs } from './server-options.js';

const bodyless: ReadonlySet<string> = new Set(['GET', 'HEAD']);
/** Answers here carry tokens. */
const secretAnswers = '/api/v1/auth';

/** Turns a route's rule into hooks, once, when the route is registered: each request only runs what its route needs. */
export function planRoute(parts: EdgeParts, options: RouteOptions): void {
  const { access, takes } = options.config ?? {};
  if (access === undefined || takes === undefined) {
    refuseUnruled(options);
    return;
  }
  const guard = accessGuard(parts, access, `${options.method} ${options.url}`);
  // Probes are never turned away: who sends them would take a busy process for a dead one.
  const door = access.limit === 'unlimited' ? [] : [admit(parts.doors, access)];
  options.onRequest = [...door, ...hooks(options.onRequest), guard];
  options.preHandler = [...hooks(options.preHandler), refuseUnread(takes)];
  options.preSerialization = [...hooks(options.preSerialization), tagVersion];
  if (access.bodyLimitBytes !== undefined) options.bodyLimit = access.bodyLimitBytes;
  if (!bodyless.has(String(options.method)))
    options.preParsing = [...hooks(options.preParsing), bodyDeadline(access.bodyDeadlineMs ?? requestTimeoutMs)];
  planBytes(options, access);
  if (access.known !== undefined) options.preSerialization = [...hooks(options.preSerialization), answerKnown];
  if (isSecret(access, options.url)) options.compress = false;
  if (access.idempotency !== undefined) planIdempotency(parts, options, access);
  if (bodyless.has(String(options.method)))
    options.onSend = [answerUnchanged(access, parts.config.publicMaxAgeS), ...hooks(options.onSend)];
  if (access.permission !== 'public' && parts.consistency !== undefined)
    options.onSend = [...hooks(options.onSend), tellConsistency(parts.consistency)];
  // Last: who has no right to be here is not told what is wrong with the question.
  options.preHandler = [...hooks(options.preHandler), readInputs(takes)];
  if (access.remembered !== undefined) planRemembered(parts, options, access.remembered);
  if (access.limit === 'auth') options.onSend = [...hooks(options.onSend), slowDownFailures(parts)];
}

/** After everything that says who may ask, before everything that changes the text. */
function planRemembered({ remembered = {} }: EdgeParts, options: RouteOptions, name: string): void {
  const recall = remembered[name];
  if (recall === undefined || options.config?.access?.audit !== 'none' || !bodyless.has(String(options.method)))
    throw new Error(`${options.method} ${options.url} cannot answer from memory: ${name}`);
  const answers = new RememberedAnswers(recall);
  options.onRequest = [...hooks(options.onRequest), answers.answer];
  options.onSend = [answers.remember, ...hooks(options.onSend)];
}

function planBytes(options: RouteOptions, { receives, bodyLimitBytes = 0 }: AccessRule): void {
  if (receives === undefined) return;
  options.preParsing = [expectBytes(receives, bodyLimitBytes), ...hooks(options.preParsing)];
  options.onSend = [...hooks(options.onSend), closeEarly];
}

function planIdempotency(parts: EdgeParts, options: RouteOptions, access: AccessRule): void {
  options.preHandler = [...hooks(options.preHandler), readIdempotencyKey(parts.fingerprints, access)];
  options.onSend = [...hooks(options.onSend), tellReplay];
}

/** Denied by default: a route that somebody registers past the controllers has to say why it is open. */
function refuseUnruled({ method, url, config }: RouteOptions): void {
  const isPreflight = method === 'OPTIONS' && url === '*';
  if (config?.open === undefined && !isPreflight) throw new Error(`route ${method} ${url} has no access rule`);
}

const isSecret = (access: AccessRule, url: string): boolean =>
  access.compression === 'none' || url === secretAnswers || url.startsWith(`${secretAnswers}/`);

/** A query or a body that no parameter of the handler reads is a mistake of the caller, not something to pass over. */
function refuseUnread(takes: Takes) {
  return (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
    const mistakes: InputMistake[] = [];
    if (!takes.query && !isEmpty(request.query)) mistakes.push({ pointer: 'query', detail: 'takes no parameters' });
    if (!takes.body && !isEmpty(request.body)) mistakes.push({ pointer: '', detail: 'takes no body' });
    done(mistakes.length === 0 ? undefined : fail('request.invalid', { mistakes }));
  };
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value !== 'object') return false;
  for (const _ in value) return false;
  return true;
}

const hooks = <Hook>(registered: Hook | Hook[] | undefined): Hook[] =>
  registered === undefined ? [] : Array.isArray(registered) ? registered : [registered];
