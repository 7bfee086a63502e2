import type { AccessRule } from './access.js';
import type { HandlerFacts } from './handlers.js';

/** What the rest of the house knows by name. */
export interface KnownNames {
  readonly limits: ReadonlySet<string>;
  readonly permissions: ReadonlySet<string>;
}

/** Refuses to boot while any handler leaves open who may call it, what audit calls it, its limit or its input. */
export function assertCompleteRules(handlers: readonly HandlerFacts[], known: KnownNames): void {
  const mistakes = handlers.flatMap((handler) => {
    const missing = [...missingInRule(handler.rule, known), ...missingSchemas(handler), ...missingOfBytes(handler)];
    return missing.length === 0 ? [] : [`  ${handler.controller}.${handler.method} lacks ${missing.join(', ')}`];
  });
  if (mistakes.length > 0) throw new Error(`routes without a complete rule:\n${mistakes.join('\n')}`);
}

function missingInRule(rule: Partial<AccessRule>, known: KnownNames): string[] {
  const { permission, audit, limit, idempotency, caching } = rule;
  const isPublic = permission === 'public';
  const isProbe = isPublic && audit === 'none' && limit === 'unlimited';
  const complaints: readonly (readonly [boolean, string])[] = [
    [!permission, 'a permission'],
    [isNamed(permission) && !known.permissions.has(permission), `a permission that some role holds (${permission})`],
    [!audit, 'an audit verb'],
    [!!audit && audit !== 'none' && !/^[a-z_]+\.[a-z_]+$/.test(audit), 'an audit verb of the form noun.verb'],
    [!limit, 'a limit class'],
    [!!limit && !isProbe && !known.limits.has(limit), `a limit class that exists (${limit})`],
    [!!caching && audit !== 'none', 'an answer without personal data, since clients may keep it'],
    [caching === 'public' && !isPublic, 'an answer that is the same for everybody, since caches between may keep it'],
    [isPublic && idempotency !== undefined, 'a tenant, in which alone an Idempotency-Key can be kept'],
  ];
  return complaints.filter(([applies]) => applies).map(([, complaint]) => complaint);
}

const isNamed = (permission: string | undefined): permission is string =>
  !!permission && permission !== 'public' && permission !== 'self';

function missingSchemas({ parameters, readsPage }: HandlerFacts): string[] {
  const unchecked = parameters.filter(({ source, schema }) => inputs.has(source) && schema === undefined);
  const readsQuery = parameters.some(({ source }) => source === 'query');
  return [
    ...unchecked.map(({ source }) => `a schema for its ${source}`),
    ...(readsPage && !readsQuery ? ['@Query({ schema: listQuery({ … }) }) beside @PageQuery()'] : []),
  ];
}

function missingOfBytes({ rule, readsBytes }: HandlerFacts): string[] {
  const receives = rule.receives !== undefined;
  const complaints: readonly (readonly [boolean, string])[] = [
    [receives && !readsBytes, '@BodyBytes() for what it receives'],
    [readsBytes && !receives, 'a medium that it receives'],
    [receives && rule.bodyLimitBytes === undefined, 'a limit in bytes for what it receives'],
    [receives && rule.bodyDeadlineMs === undefined, 'a limit in time for what it receives'],
  ];
  return complaints.filter(([applies]) => applies).map(([, complaint]) => complaint);
}

const inputs: ReadonlySet<string> = new Set(['body', 'query', 'path']);
