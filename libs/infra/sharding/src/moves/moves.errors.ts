import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'move.refused': { kind: 'conflict', public: 'This tenant cannot be moved there.' },
  'move.under_way': { kind: 'conflict', public: 'A move is under way.' },
  'move.too_late': { kind: 'conflict', public: 'The tenant was handed over already: move it back instead.' },
  'move.replication_failed': { kind: 'unavailable', public: 'PostgreSQL could not bring the tenant’s rows over.' },
  'move.no_standstill': { kind: 'unavailable', public: 'The tenant’s transactions did not end in time.' },
  'move.behind': { kind: 'unavailable', public: 'A server stayed too far behind.' },
  'move.unequal': { kind: 'internal', public: 'The two shards do not hold the same rows.' },
});
