import type { Context } from '#infra/kernel';
import { type AppointmentVerb, demand, mayDo, permissionOf } from './appointments.policy.js';

const verbs = Object.keys(permissionOf) as AppointmentVerb[];
const user = (...permissions: string[]) =>
  ({
    requestId: 'r',
    tenant: null,
    deadline: 0,
    actor: { kind: 'user', permissions: new Set(permissions) },
  }) as unknown as Context;
const allowed = (ctx: Context) => verbs.filter((verb) => mayDo(ctx, verb));

describe('who may do what with visits', () => {
  it('nobody may do anything without a permission', () => {
    expect(allowed(user())).toEqual([]);
    expect(allowed(user('members.read', 'audit.read'))).toEqual([]);
    expect(allowed({ requestId: 'r', tenant: null, deadline: 0, actor: { kind: 'anonymous' } })).toEqual([]);
  });

  it('seeing the catalogue and its free times shows no visits', () => {
    expect(allowed(user('catalogue.read'))).toEqual(['catalogue.read', 'availability.find']);
  });

  it('seeing figures shows no visit, and seeing visits no figures', () => {
    expect(allowed(user('analytics.read'))).toEqual(['analytics.read']);
  });

  it('whoever books may not move or cancel, and whoever reads may not book', () => {
    expect(allowed(user('appointments.book'))).toEqual(['appointment.book']);
    expect(allowed(user('appointments.read'))).toEqual(['appointment.read']);
    expect(allowed(user('appointments.manage'))).toEqual(['appointment.reschedule', 'appointment.cancel']);
  });

  it('a refusal names no verb to the client', () => {
    expect(() => demand(user(), 'appointment.cancel')).toThrow(
      expect.objectContaining({
        kind: 'forbidden',
        code: 'appointment.forbidden',
        publicText: expect.not.stringContaining('cancel'),
      }),
    );
  });
});
