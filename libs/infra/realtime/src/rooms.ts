import type { TenantId } from '#infra/kernel';
import type { Room } from '#infra/queues';

/**
 * The one name of a room, for joining and for sending: always under a tenant, and one for each permission, so that a
 * listener who joins the rooms of the permissions it holds is told nothing else.
 */
export const roomName = (tenantId: TenantId, room: Room, permission: string): string =>
  room.of === 'tenant' ? `t:${tenantId}:${permission}` : `t:${tenantId}:${room.of}:${room.id}:${permission}`;
