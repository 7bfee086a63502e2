import { permissionsByRole, permissionsOf, roles, staffRoles } from './roles.js';

describe('roles', () => {
  it('give nothing to nobody', () => {
    expect([...permissionsOf([])]).toEqual([]);
    expect([...permissionsOf(['patient'])]).toEqual([]);
  });

  it('add up', () => {
    const both = permissionsOf(['auditor', 'billing']);
    expect([...both].sort()).toEqual([
      'analytics.read',
      'appointments.read',
      'audit.read',
      'catalogue.read',
      'reconciliation.manage',
      'reconciliation.read',
    ]);
    expect(permissionsOf(['billing', 'auditor', 'billing'])).toBe(both);
  });

  it('let an admin run the house without seeing people under care, and let no admin read the audit', () => {
    const admin = permissionsOf(['admin']);
    expect(admin.has('users.manage')).toBe(true);
    for (const closed of ['appointments.read', 'appointments.book', 'patients.read', 'patients.search', 'audit.read'])
      expect(admin.has(closed)).toBe(false);
    const readers = roles.filter((role) => permissionsOf([role]).has('audit.read'));
    expect(readers).toEqual(['privacy_officer', 'auditor']);
  });

  it('name every permission as resource.action', () => {
    for (const permission of Object.values(permissionsByRole).flat()) expect(permission).toMatch(/^[a-z]+\.[a-z_]+$/);
  });

  it('of machines, patients and support are given to no member of staff', () => {
    expect(roles.filter((role) => !(staffRoles as readonly string[]).includes(role))).toEqual([
      'integration',
      'patient',
      'support',
    ]);
  });
});
