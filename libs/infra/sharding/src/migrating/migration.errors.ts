import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'migration.refused': { kind: 'conflict', public: 'This migration cannot be run like that.' },
  'migration.under_way': { kind: 'conflict', public: 'Another migration or a move is under way.' },
  'migration.locked': { kind: 'unavailable', public: 'A lock could not be had: others held it all the time.' },
  'migration.still_needed': { kind: 'conflict', public: 'Processes that run now still need the former schema.' },
  'migration.unfinished': { kind: 'unavailable', public: 'The migration stopped; run it again and it goes on.' },
});
