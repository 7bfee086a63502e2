/** A call of Cloudflare's API (client/v4), relative to its base. */
export interface CdnCall {
  readonly method: 'PATCH' | 'POST';
  readonly path: string;
  readonly body: unknown;
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
