import { createSecretKey, randomBytes } from 'node:crypto';
import { newId, type TenantId } from '#infra/kernel';
import { readMailedToken, writeMailedToken } from './mailed-token.js';
import type { InvitationId } from './user.js';

const key = createSecretKey(randomBytes(32));

describe('a mailed token', () => {
  const tenantId = newId<TenantId>();
  const id = newId<InvitationId>();
  const text = writeMailedToken('invitation', tenantId, id, key);

  it('is the same whenever it is made, and gives its ids back', () => {
    expect(writeMailedToken('invitation', tenantId, id, key)).toBe(text);
    expect(readMailedToken('invitation', text, key)).toEqual({ tenantId, id });
  });

  it('of one kind is nothing to the other, whatever its prefix says', () => {
    const reset = writeMailedToken('password_reset', tenantId, id, key);
    expect(readMailedToken('invitation', reset, key)).toBeNull();
    expect(readMailedToken('invitation', reset.replace('ppr_', 'pit_'), key)).toBeNull();
  });

  it('is nothing for other ids, another key or a changed character', () => {
    expect(readMailedToken('invitation', text, createSecretKey(randomBytes(32)))).toBeNull();
    for (let at = 0; at < text.length; at += 1)
      expect(
        readMailedToken('invitation', text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1), key),
      ).toBeNull();
  });
});
