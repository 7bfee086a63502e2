import type { Id, Instant } from '#infra/kernel';
import type { LocalDate } from '#infra/time';

export type PatientId = Id<'patient'>;

/** As registered, for administration. */
export const sexes = ['female', 'male', 'other', 'unknown'] as const;
export type Sex = (typeof sexes)[number];

export interface Address {
  readonly street: string | null;
  readonly city: string | null;
  readonly region: string | null;
  readonly postcode: string | null;
  /** ISO 3166-1, two capitals. */
  readonly country: string | null;
}

/** Everything that says who somebody is: the content of one envelope. Null: not known. */
export interface Demographics {
  /** The family name, or the only name. */
  readonly family: string;
  /** All given names. */
  readonly given: string | null;
  readonly birthDate: LocalDate | null;
  readonly sex: Sex;
  readonly phone: string | null;
  readonly email: string | null;
  readonly address: Address | null;
}
export type DemographicField = keyof Demographics;

export interface Patient extends Demographics {
  readonly id: PatientId;
  readonly version: number;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

/** Of a list: by id, which is by the time of creation. */
export interface PatientKey {
  readonly id: PatientId;
}

export const versionEvents = ['created', 'updated', 'restored'] as const;
export type VersionEvent = (typeof versionEvents)[number];

/** That there was a version, and which fields it changed; not what they said. */
export interface VersionEntry {
  readonly version: number;
  readonly event: VersionEvent;
  /** The version whose content came back. */
  readonly restoredFrom: number | null;
  readonly changed: readonly string[];
  readonly actorKind: 'user' | 'system' | 'anonymous';
  readonly actorId: string | null;
  readonly at: Instant;
}

/** A version with what it said. */
export interface PatientVersion extends VersionEntry {
  readonly demographics: Demographics;
}

export type PatientChanges = { readonly [Field in DemographicField]?: Demographics[Field] | undefined };

const fieldNames: Readonly<Record<DemographicField, true>> = {
  family: true,
  given: true,
  birthDate: true,
  sex: true,
  phone: true,
  email: true,
  address: true,
};
export const demographicFields = Object.keys(fieldNames) as readonly DemographicField[];

/** Fields that the changes name take their place; an address is replaced as a whole. */
export function changed(current: Demographics, changes: PatientChanges): Demographics {
  const named = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { ...current, ...Object.fromEntries(named) };
}

/** The fields in which two versions differ. */
export const differingFields = (before: Demographics, after: Demographics): readonly DemographicField[] =>
  demographicFields.filter((field) =>
    field === 'address' ? !sameAddress(before.address, after.address) : before[field] !== after[field],
  );

const addressParts = ['street', 'city', 'region', 'postcode', 'country'] as const satisfies (keyof Address)[];

function sameAddress(before: Address | null, after: Address | null): boolean {
  if (before === null || after === null) return before === after;
  return addressParts.every((part) => before[part] === after[part]);
}

/** Only what is there: the demographics of a patient, without its row's own fields. */
export const demographicsOf = ({
  family,
  given,
  birthDate,
  sex,
  phone,
  email,
  address,
}: Demographics): Demographics => ({
  family,
  given,
  birthDate,
  sex,
  phone,
  email,
  address,
});
