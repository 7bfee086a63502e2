/**
 * Sent with every answer, from one frozen object: computing them per answer costs as much as the rest of a small read.
 * The API's own pages never load anything; /docs widens the policy to its own files.
 */
export const securityHeaders = Object.freeze({
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'strict-transport-security': 'max-age=63072000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-dns-prefetch-control': 'off',
  'cache-control': 'no-store',
});

/** For the page of /docs: scripts, styles and pictures of ours, from here or from the CDN; calls to here alone. */
export function docsSecurityPolicy(cdnOrigin?: string): string {
  const ours = cdnOrigin === undefined ? "'self'" : `'self' ${cdnOrigin}`;
  return [
    "default-src 'none'",
    `script-src ${ours}`,
    `style-src ${ours} 'unsafe-inline'`,
    `img-src ${ours} data:`,
    `font-src ${ours}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
