import { newId, type TenantId } from '#infra/kernel';
import type { Room } from '#infra/queues';
import { roomName } from './rooms.js';

describe('the name of a room', () => {
  it('is another for each tenant, each kind, each thing and each permission', () => {
    const [a, b] = [newId<TenantId>(), newId<TenantId>()];
    const id = newId();
    const rooms: Room[] = [
      { of: 'tenant' },
      { of: 'user', id },
      { of: 'location', id },
      { of: 'appointment', id },
      { of: 'user', id: a },
      { of: 'user', id: b },
    ];
    const names = [a, b].flatMap((tenant) =>
      rooms.flatMap((room) => ['a.read', 'b.read'].map((permission) => roomName(tenant, room, permission))),
    );
    expect(new Set(names).size).toBe(names.length);
  });
});
