/**
 * All but `idempotency`: fingerprints are compared and never opened, so that with a new key a retry of an earlier
 * request would count as another one.
 */
export const rotatablePurposes = ['phi', 'index', 'files', 'cursor', 'webhook', 'cache'] as const;
export type RotatablePurpose = (typeof rotatablePurposes)[number];

/** One data key per tenant and purpose, so that no use can stand in for another. */
export const keyPurposes = [...rotatablePurposes, 'idempotency'] as const;
export type KeyPurpose = (typeof keyPurposes)[number];
