import type { Patient, PatientVersion } from '#domain/patients';
import { newId } from '#infra/kernel';
import {
  foundPatients,
  newPatient,
  patient,
  patientChanges,
  patientSearch,
  patientVersion,
  presentFound,
  presentPatient,
  presentVersion,
} from './patients.dto.js';

const accepts = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
  schema.safeParse(value).success;

const ada = {
  id: newId(),
  version: 3,
  family: 'Lindqvist',
  given: 'Ada',
  birthDate: '1984-02-29',
  sex: 'female',
  phone: '+1 604 555 0199',
  email: 'ada@lindqvist.example',
  address: { street: '12 Harbour Road', city: 'Vancouver', region: 'BC', postcode: 'V6B 1A1', country: 'CA' },
  createdAt: Date.parse('2026-11-20T12:00:00Z'),
  updatedAt: Date.parse('2026-11-20T12:01:00Z'),
} as unknown as Patient;

describe('a patient as it is shown', () => {
  it('is whole when it is asked for, and enough to tell people apart when it is found', () => {
    const shown = presentPatient(ada);
    expect(shown).toMatchObject({
      family: 'Lindqvist',
      email: 'ada@lindqvist.example',
      createdAt: '2026-11-20T12:00:00.000Z',
    });
    expect(accepts(patient, shown)).toBe(true);
    const found = presentFound({ items: [ada], truncated: true });
    expect(Object.keys(found.data[0] ?? {}).sort()).toEqual([
      'birthDate',
      'family',
      'given',
      'id',
      'phone',
      'sex',
      'version',
    ]);
    expect(accepts(foundPatients, found)).toBe(true);
  });

  it('shows a version with what it said and who made it', () => {
    const { id: _, version: __, createdAt: at, updatedAt: ___, ...demographics } = ada;
    const entry = {
      version: 2,
      event: 'restored',
      restoredFrom: 1,
      changed: ['phone'],
      actorKind: 'user',
      actorId: newId(),
      at,
    };
    const shown = presentVersion({ ...entry, demographics } as PatientVersion);
    expect(shown).toMatchObject({ restoredFrom: 1, changed: ['phone'], demographics: { phone: '+1 604 555 0199' } });
    expect(accepts(patientVersion, shown)).toBe(true);
  });
});

describe('what may be asked', () => {
  it('a registration needs a name; what is not said is not known', () => {
    expect(newPatient.parse({ family: ' Li ' })).toEqual({
      family: 'Li',
      given: null,
      birthDate: null,
      sex: 'unknown',
      phone: null,
      email: null,
      address: null,
    });
    for (const wrong of [
      {},
      { family: '—' },
      { family: 'x'.repeat(101) },
      { family: 'Li', birthDate: '1984-02-30' },
      { family: 'Li', phone: '555-CALL' },
      { family: 'Li', address: { country: 'Canada' } },
      { family: 'Li', ssn: '123' },
    ])
      expect([wrong, accepts(newPatient, wrong)]).toEqual([wrong, false]);
  });

  it('a change names the fields that it changes, and null forgets all but the name and the sex', () => {
    expect(patientChanges.parse({ phone: null })).toEqual({ phone: null });
    expect(accepts(patientChanges, { family: null })).toBe(false);
    expect(accepts(patientChanges, { sex: null })).toBe(false);
    expect(accepts(patientChanges, { version: 2 })).toBe(false);
  });

  it('a search asks for something, and for at most a hundred', () => {
    expect(accepts(patientSearch, { family: 'gar' })).toBe(true);
    for (const wrong of [{}, { limit: 5 }, { family: 'gar', limit: 101 }, { email: 'a@b.example' }, { phone: '12' }])
      expect([wrong, accepts(patientSearch, wrong)]).toEqual([wrong, false]);
  });
});
