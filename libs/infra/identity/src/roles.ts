/** What a person may be in a tenant. Closed: a new role is a line here and in the table below. */
export const roles = [
  'owner',
  'admin',
  'provider',
  'nurse',
  'front_desk',
  'billing',
  'member_services',
  'privacy_officer',
  'auditor',
  'integration',
  'patient',
  'support',
] as const;
export type Role = (typeof roles)[number];

const people = ['users.read', 'users.invite', 'users.manage', 'sessions.manage'] as const;
const visits = ['appointments.read', 'appointments.book', 'appointments.manage'] as const;
const patients = ['patients.read', 'patients.search', 'patients.manage'] as const;
/** What clinicians write about patients. */
const notes = ['notes.read', 'notes.write'] as const;
const members = ['members.read', 'members.lookup', 'members.manage', 'cards.issue', 'cards.verify'] as const;
const reconciliation = ['reconciliation.read', 'reconciliation.manage'] as const;
const catalogue = ['catalogue.read', 'catalogue.manage'] as const;
/** How the servers behind the product stand: numbers, no addresses, nobody's data. */
const operations = ['operations.read'] as const;
/** How much of the plan is used. */
const plan = ['quotas.read'] as const;
/** Counts and sums of a company, about nobody. */
const figures = ['analytics.read'] as const;

/**
 * The whole of who may do what, as `resource.action`; what is not listed is denied. Domain libs declare their
 * permissions in `*.policy.ts` and name them here. An admin runs the house without seeing people under care, and only
 * the privacy officer and auditors read the audit.
 */
export const permissionsByRole = {
  owner: [
    ...people,
    ...visits,
    ...patients,
    ...notes,
    ...members,
    ...reconciliation,
    ...catalogue,
    ...operations,
    ...plan,
    ...figures,
  ],
  admin: [...people, ...members, ...catalogue, ...operations, ...plan, ...figures],
  provider: [...visits, ...patients, ...notes, 'catalogue.read'],
  nurse: [...visits, ...patients, ...notes, 'catalogue.read'],
  front_desk: [...visits, ...patients, ...members, 'catalogue.read'],
  billing: ['appointments.read', ...reconciliation, ...figures, 'catalogue.read'],
  member_services: ['appointments.read', 'appointments.book', ...members, 'catalogue.read'],
  privacy_officer: ['audit.read', 'users.read', 'sessions.manage'],
  auditor: ['audit.read'],
  integration: ['appointments.read', 'catalogue.read'],
  patient: [],
  support: ['users.read', 'catalogue.read'],
} as const satisfies Readonly<Record<Role, readonly string[]>>;

export type Permission = (typeof permissionsByRole)[Role][number];

/** Roles that staff are given through invitations and role changes; the others come with a login of their own kind. */
export const staffRoles = [
  'owner',
  'admin',
  'provider',
  'nurse',
  'front_desk',
  'billing',
  'member_services',
  'privacy_officer',
  'auditor',
] as const satisfies readonly Role[];
export type StaffRole = (typeof staffRoles)[number];

const known = new Map<string, ReadonlySet<string>>();

/** Everything that any of these roles may do; the same set object for the same roles. */
export function permissionsOf(held: readonly Role[]): ReadonlySet<string> {
  const distinct = roles.filter((role) => held.includes(role));
  const key = distinct.join();
  const found = known.get(key);
  if (found !== undefined) return found;
  const permissions = new Set<string>(distinct.flatMap((role) => permissionsByRole[role]));
  if (known.size < knownLimit) known.set(key, permissions);
  return permissions;
}

/** Combinations of roles kept in memory; a rarer one is put together each time. */
const knownLimit = 1_000;
