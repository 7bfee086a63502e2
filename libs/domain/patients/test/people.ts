import type { LocalDate } from '#infra/time';
import type { Demographics } from '../src/patient.js';

/** Somebody of whom only what is named is known. */
export const person = (known: Partial<Omit<Demographics, 'birthDate'>> & { readonly birthDate?: string | null } = {}) =>
  ({
    family: 'Smith',
    given: null,
    sex: 'unknown',
    phone: null,
    email: null,
    address: null,
    ...known,
    birthDate: (known.birthDate ?? null) as LocalDate | null,
  }) satisfies Demographics;

export const addressOf = (known: Partial<NonNullable<Demographics['address']>>): Demographics['address'] => ({
  street: null,
  city: null,
  region: null,
  postcode: null,
  country: null,
  ...known,
});
