import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'reconciliation.forbidden': { kind: 'forbidden', public: 'Your role does not allow this.' },
  'reconciliation.not_conserved': { kind: 'internal', public: 'The sums do not agree; nothing was changed.' },
  'source.not_found': { kind: 'not_found', public: 'There is no such source.' },
  'source.code_taken': { kind: 'conflict', public: 'Another source has this code.' },
  'statement.not_found': { kind: 'not_found', public: 'There is no such statement.' },
  'statement.empty': { kind: 'invalid', public: 'The file has no bytes.' },
  'statement.contended': {
    kind: 'unavailable',
    public: 'The same file is being sent by others. Try again in a moment.',
  },
  'run.not_found': { kind: 'not_found', public: 'There is no such run.' },
  'run.one_source': { kind: 'invalid', public: 'A run matches two different sources.' },
  'run.currencies_differ': { kind: 'invalid', public: 'Sources of different currencies are not matched.' },
  'run.nothing_committed': {
    kind: 'conflict',
    public: 'Each of the two sources needs a statement that has been committed.',
  },
  'run.not_completed': { kind: 'conflict', public: 'The run has no result yet.' },
  'run.contended': { kind: 'unavailable', public: 'The same run is being asked for by others. Try again in a moment.' },
  'run.too_many_statements': { kind: 'invalid', public: 'These sources have more statements than one run takes.' },
  'run.too_many_records': { kind: 'invalid', public: 'A side has more open records than one run takes.' },
});
