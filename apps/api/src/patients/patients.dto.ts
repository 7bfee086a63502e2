import { z } from 'zod';
import {
  type Demographics,
  isPhone,
  type Patient,
  type PatientId,
  type PatientVersion,
  phoneDigits,
  type SearchResult,
  sexes,
  type VersionEntry,
  versionEvents,
  wordsOf,
} from '#domain/patients';
import {
  allOf,
  emailAddress,
  idOf,
  instantText,
  line,
  listQuery,
  localDate,
  pageOf,
  utcText,
  versionNumber,
} from '../edge/index.js';

const nameLength = 100;
const highestVersion = 999_999_999;
const search = { most: 100, usual: 20 } as const;

export const patientId = idOf<PatientId>('patient');
export const versionInPath = z.coerce.number().int().min(1).max(highestVersion);

const name = line(nameLength).refine((text) => wordsOf(text).length > 0, { message: 'must hold a letter or a digit' });
const phone = line(40).refine(isPhone, {
  message: `must be a telephone number of ${phoneDigits.least} to ${phoneDigits.most} digits`,
});
const optional = <T extends z.ZodType>(schema: T) => schema.nullable().default(null);

const address = z.strictObject({
  street: optional(line(200)),
  city: optional(line(100)),
  region: optional(line(100)),
  postcode: optional(line(20)),
  country: optional(z.string().regex(/^[A-Z]{2}$/, { message: 'must be two capitals (ISO 3166-1)' })),
});

export const newPatient = z.strictObject({
  family: name.meta({ description: 'the family name, or the only name' }),
  given: optional(name),
  birthDate: optional(localDate),
  sex: z.enum(sexes).default('unknown'),
  phone: optional(phone),
  email: optional(emailAddress),
  address: optional(address),
});
export const registration = z.strictObject({
  force: z
    .enum(['true', 'false'])
    .default('false')
    .meta({ description: 'register in spite of a possible duplicate; the audit says so' }),
});
export const patientChanges = z
  .strictObject({
    family: name,
    given: name.nullable(),
    birthDate: localDate.nullable(),
    sex: z.enum(sexes),
    phone: phone.nullable(),
    email: emailAddress.nullable(),
    address: address.nullable(),
  })
  .partial();

export const patientSearch = z
  .strictObject({
    name: name.optional().meta({ description: 'words of family and given names, in any order' }),
    family: name.optional().meta({ description: 'three letters or more also find names that begin so' }),
    given: name.optional(),
    birthDate: localDate.optional(),
    phone: phone.optional(),
    limit: z.int().min(1).max(search.most).default(search.usual),
  })
  .refine((asked) => Object.entries(asked).some(([field, value]) => field !== 'limit' && value !== undefined), {
    message: 'must ask for a name, a birth date or a telephone number',
  });

const text = z.string().nullable();
const demographics = {
  family: z.string(),
  given: text,
  birthDate: localDate.nullable(),
  sex: z.enum(sexes),
  phone: text,
  email: text,
  address: z.strictObject({ street: text, city: text, region: text, postcode: text, country: text }).nullable(),
};
export const patient = z.strictObject({
  id: patientId,
  version: versionNumber,
  ...demographics,
  createdAt: instantText,
  updatedAt: instantText,
});

/** What it takes to tell people apart, and no more. */
const summary = z.strictObject({
  id: patientId,
  version: versionNumber,
  family: z.string(),
  given: text,
  birthDate: localDate.nullable(),
  sex: z.enum(sexes),
  phone: text,
});
export const patients = pageOf(summary);
export const patientList = listQuery({});
export const foundPatients = z.strictObject({
  ...allOf(summary).shape,
  truncated: z.boolean().meta({ description: 'there are, or may be, more: ask more closely' }),
});

const versionEntry = z.strictObject({
  version: versionNumber,
  event: z.enum(versionEvents),
  restoredFrom: versionNumber.nullable(),
  changed: z.array(z.string()).meta({ description: 'names of fields' }),
  actor: z.strictObject({ kind: z.enum(['user', 'system', 'anonymous']), id: z.string().nullable() }),
  at: instantText,
});
export const patientVersions = allOf(versionEntry);
export const patientVersion = z.strictObject({ ...versionEntry.shape, demographics: z.strictObject(demographics) });

const presentDemographics = (known: Demographics) => ({
  family: known.family,
  given: known.given,
  birthDate: known.birthDate,
  sex: known.sex,
  phone: known.phone,
  email: known.email,
  address: known.address,
});

export const presentPatient = (found: Patient): z.input<typeof patient> => ({
  id: found.id,
  version: found.version,
  ...presentDemographics(found),
  createdAt: utcText(found.createdAt),
  updatedAt: utcText(found.updatedAt),
});

export const presentSummary = (found: Patient): z.input<typeof summary> => ({
  id: found.id,
  version: found.version,
  family: found.family,
  given: found.given,
  birthDate: found.birthDate,
  sex: found.sex,
  phone: found.phone,
});

export const presentFound = ({ items, truncated }: SearchResult): z.input<typeof foundPatients> => ({
  data: items.map(presentSummary),
  truncated,
});

const presentEntry = (entry: VersionEntry): z.input<typeof versionEntry> => ({
  version: entry.version,
  event: entry.event,
  restoredFrom: entry.restoredFrom,
  changed: [...entry.changed],
  actor: { kind: entry.actorKind, id: entry.actorId },
  at: utcText(entry.at),
});

export const presentVersions = (entries: readonly VersionEntry[]): z.input<typeof patientVersions> => ({
  data: entries.map(presentEntry),
});

export const presentVersion = (found: PatientVersion): z.input<typeof patientVersion> => ({
  ...presentEntry(found),
  demographics: presentDemographics(found.demographics),
});
