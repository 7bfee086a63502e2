/**
 * Sent with every answer, from one frozen object: computing them per answer costs as much as the rest of a small read. Each one
 * that is sent costs something too: what only a page needs is in `pageHeaders`.
 */
export const securityHeaders = Object.freeze({
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'strict-transport-security': 'max-age=63072000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
});

/** Of the page of /docs: nothing but it is ever shown as a page. */
export const pageHeaders = (cdnOrigin?: string) => ({
  'content-security-policy': pageSecurityPolicy(cdnOrigin),
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
  'x-dns-prefetch-control': 'off',
});

/** Scripts, styles and pictures of ours, from here or from the CDN; calls to here alone. */
function pageSecurityPolicy(cdnOrigin?: string): string {
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
