import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'patient.forbidden': { kind: 'forbidden', public: 'Your role does not allow this.' },
  'patient.not_found': { kind: 'not_found', public: 'There is no such patient.' },
  'patient.version_not_found': { kind: 'not_found', public: 'There is no such version of a patient.' },
  'patient.version_conflict': { kind: 'precondition_failed', public: 'The patient has changed since you read it.' },
  'note.not_found': { kind: 'not_found', public: 'There is no such note about this patient.' },
  'patient.possible_duplicate': {
    kind: 'conflict',
    public: 'This may be somebody who is registered already; see candidates. Send force=true to register all the same.',
  },
  'patient.born_later': { kind: 'invalid', public: 'The birth date lies in the future.' },
  'patient.nothing_asked': { kind: 'invalid', public: 'Ask for a name, a birth date or a telephone number.' },
});
