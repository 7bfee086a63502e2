import { fail } from './identity.errors.js';
import { faultOf } from './password.js';
import type { Profile } from './user.js';

/** Refuses a new password that is too short, too long or too easy to guess for this person of this tenant. */
export function assertPassword(password: string, pointer: string, tenantSlug: string, person: Profile): void {
  const fault = faultOf(password, [tenantSlug, person.email, person.displayName]);
  if (fault === null) return;
  throw fail(fault, { mistakes: [{ pointer, detail: fail.table[fault].public }] });
}
