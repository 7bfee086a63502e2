import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'tenant.not_found': { kind: 'not_found', public: 'There is no such organisation.' },
  'tenant.slug_taken': { kind: 'conflict', public: 'Another organisation has this short name.' },
  'tenant.region_mismatch': { kind: 'conflict', public: 'That place is in another region.' },
  'tenant.moving': {
    kind: 'unavailable',
    public: 'The data of this organisation is being moved. Try again in a moment.',
  },
  'shard.unavailable': { kind: 'unavailable', public: 'The data of this organisation cannot be reached right now.' },
  'keys.unavailable': {
    kind: 'unavailable',
    public: 'The data of this organisation cannot be opened right now. Try again in a moment.',
  },
  'database.aborted': { kind: 'internal', public: 'The request could not be completed.' },
  'database.lost': { kind: 'unavailable', public: 'The connection was lost before anything was changed.' },
  'database.read_only': { kind: 'unavailable', public: 'Nothing can be changed right now.' },
  'database.in_doubt': {
    kind: 'unavailable',
    public:
      'The connection was lost while the change was being saved: it may or may not have been. Look before you repeat it.',
  },
  'database.timeout': { kind: 'timeout', public: 'The request took too long and was cancelled. Nothing was changed.' },
  'database.schema_outdated': { kind: 'internal', public: 'The service is not ready.' },
  'database.over_budget': { kind: 'internal', public: 'The service is not ready.' },
  'statements.not_installed': {
    kind: 'unavailable',
    public: 'This database has no pg_stat_statements: run `praxis migrate` as a superuser.',
  },
  'statements.not_loaded': {
    kind: 'unavailable',
    public: 'This server counts no statements: shared_preload_libraries lacks pg_stat_statements.',
  },
  'statements.unknown': { kind: 'not_found', public: 'The application has run no such statement there.' },
  'statements.not_explained': {
    kind: 'conflict',
    public: 'The statement cannot be planned without the constants in its text.',
  },
  'idempotency.in_progress': {
    kind: 'conflict',
    public: 'A request with this Idempotency-Key is still being worked on. Repeat it in a moment.',
  },
  'idempotency.mismatch': {
    kind: 'invalid',
    public: 'This Idempotency-Key was used for a different request.',
  },
});
