import type { TenantCrypto } from '#infra/crypto';
import type { TenantId, UserId } from '#infra/kernel';
import { type Profile, profileShape } from './user.js';

const placeOf = (userId: UserId) => ({ table: 'user_account', rowId: userId, group: 'profile' });

/** Name and address of a user as the table keeps them. */
export const sealProfile = (
  crypto: TenantCrypto,
  tenantId: TenantId,
  userId: UserId,
  profile: Profile,
): Promise<Buffer> => crypto.sealJson(tenantId, placeOf(userId), profile);

export const openProfile = async (
  crypto: TenantCrypto,
  tenantId: TenantId,
  row: { readonly id: UserId; readonly profile: Buffer },
): Promise<Profile> => profileShape.parse(await crypto.openJson(tenantId, placeOf(row.id), row.profile));
