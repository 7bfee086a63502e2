/** A call of Cloudflare's API (client/v4), relative to its base. */
export interface CdnCall {
  readonly method: 'GET' | 'PATCH' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: unknown;
}

/**
 * What the CDN is told once: hashed files for a year, everything else as our headers say. What a zone does not let one
 * edit (Polish and WebP need a paid plan) is reported and does not stop the rest.
 */
export const zoneSettings = {
  always_online: 'on',
  browser_cache_ttl: 31_536_000,
  cache_level: 'aggressive',
  polish: 'lossless',
  webp: 'on',
} as const;

/** Asked for, and no longer offered. */
export const removedByVendor = {
  minify: 'Cloudflare ended automatic minification in August 2024; what /docs serves is minified already',
} as const;

/**
 * By itself Cloudflare keeps nothing of an API. What catalogues say of themselves is all that it follows here: an answer that
 * says nothing is not kept, and the zone's year for browsers is not theirs.
 */
export const catalogueRule = {
  ref: 'praxis_public_catalogues',
  description: 'Praxis: public catalogues, for as long as their headers say',
  expression: 'starts_with(http.request.uri.path, "/api/v1/catalogues/")',
  action: 'set_cache_settings',
  action_parameters: {
    cache: true,
    edge_ttl: { mode: 'bypass_by_default' },
    browser_ttl: { mode: 'respect_origin' },
  },
} as const;

/** A zone's own cache rules; ours stands among them. */
export interface CacheRules {
  readonly id: string;
  readonly rules: readonly { readonly id: string; readonly ref?: string | undefined }[];
}
export const cacheRulesOf = (zoneId: string): CdnCall => ({
  method: 'GET',
  path: `zones/${zoneId}/rulesets/phases/http_request_cache_settings/entrypoint`,
});

/** Changes our rule, or adds it, and no other. `found` is null where the zone has no rules yet. */
export function rulePlan(zoneId: string, found: CacheRules | null): CdnCall {
  if (found === null) return { ...cacheRulesOf(zoneId), method: 'PUT', body: { rules: [catalogueRule] } };
  const rules = `zones/${zoneId}/rulesets/${found.id}/rules`;
  const ours = found.rules.find(({ ref }) => ref === catalogueRule.ref);
  if (ours === undefined) return { method: 'POST', path: rules, body: catalogueRule };
  return { method: 'PATCH', path: `${rules}/${ours.id}`, body: catalogueRule };
}

export const filesPerPurgeMax = 30;

export const applyPlan = (zoneId: string): CdnCall[] =>
  Object.entries(zoneSettings).map(([setting, value]) => ({
    method: 'PATCH',
    path: `zones/${zoneId}/settings/${setting}`,
    body: { value },
  }));

/** `everything`, or files by their whole address: thirty in one call. */
export function purgePlan(zoneId: string, files: readonly string[] | 'everything'): CdnCall[] {
  const path = `zones/${zoneId}/purge_cache`;
  if (files === 'everything') return [{ method: 'POST', path, body: { purge_everything: true } }];
  const calls: CdnCall[] = [];
  for (let from = 0; from < files.length; from += filesPerPurgeMax)
    calls.push({ method: 'POST', path, body: { files: files.slice(from, from + filesPerPurgeMax) } });
  return calls;
}
