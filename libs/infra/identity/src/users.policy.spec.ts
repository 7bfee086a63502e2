import { newId, type UserId } from '#infra/kernel';
import type { Role } from './roles.js';
import { refusalOf } from './users.policy.js';

const user = (...roles: Role[]) => ({ id: newId<UserId>(), roles });

describe('whoever may manage users', () => {
  it('never changes their own roles or status, owners included', () => {
    const owner = user('owner');
    expect(refusalOf({ actor: owner, target: owner, rolesAfter: ['owner', 'auditor'] })).toBe('user.self_change');
  });

  it('gives and takes ownership only as an owner', () => {
    const [admin, owner, nurse] = [user('admin'), user('owner'), user('nurse')];
    expect(refusalOf({ actor: admin, target: nurse, rolesAfter: ['provider'] })).toBeNull();
    expect(refusalOf({ actor: admin, target: nurse, rolesAfter: ['owner'] })).toBe('user.owner_only');
    expect(refusalOf({ actor: admin, target: owner, rolesAfter: ['nurse'] })).toBe('user.owner_only');
    expect(refusalOf({ actor: admin, target: owner, rolesAfter: owner.roles })).toBe('user.owner_only');
    expect(refusalOf({ actor: owner, target: nurse, rolesAfter: ['owner'] })).toBeNull();
  });

  it('is not asked where an operator acts', () => {
    expect(refusalOf({ actor: null, target: user(), rolesAfter: ['owner'] })).toBeNull();
  });
});
