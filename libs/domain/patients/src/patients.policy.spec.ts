import type { Context } from '#infra/kernel';
import { demand, mayDo, type PatientVerb, permissionOf } from './patients.policy.js';

const verbs = Object.keys(permissionOf) as PatientVerb[];
const user = (...permissions: string[]) =>
  ({
    requestId: 'r',
    tenant: null,
    deadline: 0,
    actor: { kind: 'user', permissions: new Set(permissions) },
  }) as unknown as Context;
const allowed = (ctx: Context) => verbs.filter((verb) => mayDo(ctx, verb));

describe('who may do what with patients', () => {
  it('nobody may do anything without a permission', () => {
    expect(allowed(user())).toEqual([]);
    expect(allowed(user('appointments.read', 'users.manage', 'audit.read'))).toEqual([]);
    expect(allowed({ requestId: 'r', tenant: null, deadline: 0, actor: { kind: 'anonymous' } })).toEqual([]);
  });

  it('whoever may open one chart may not look among all, and whoever looks may change nothing', () => {
    expect(allowed(user('patients.read'))).toEqual(['patient.read']);
    expect(allowed(user('patients.search'))).toEqual(['patient.list', 'patient.search']);
    expect(allowed(user('notes.read', 'notes.write'))).toEqual(['note.read', 'note.write']);
    expect(allowed(user('patients.manage'))).toEqual(['patient.create', 'patient.update']);
  });

  it('a refusal names no verb to the client', () => {
    expect(() => demand(user(), 'patient.search')).toThrow(
      expect.objectContaining({ kind: 'forbidden', publicText: expect.not.stringContaining('search') }),
    );
  });
});
