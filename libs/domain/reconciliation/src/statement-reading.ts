import type { TenantContext } from '#infra/kernel';
import type { Envelopes } from './envelopes.js';
import type { Statement } from './statement.js';
import type { StatementRow } from './statements.repository.js';

/** A statement as it is shown: with the digest of its bytes opened. */
export async function presentStatement(
  envelopes: Envelopes,
  ctx: TenantContext,
  { digest, parts: _, ...statement }: StatementRow,
): Promise<Statement> {
  const sha256 = digest === null ? null : await envelopes.openDigest(ctx, statement.id, digest);
  return { ...statement, sha256 };
}
