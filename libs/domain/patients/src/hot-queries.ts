import { randomBytes } from 'node:crypto';
import type { HotQuery } from '#infra/sharding';
import { NotesRepository } from './notes.repository.js';
import type { PatientId } from './patient.js';
import { PatientsRepository } from './patients.repository.js';
import { TokensRepository } from './tokens.repository.js';

const patients = new PatientsRepository();
const tokenBytes = 16;
const anyPatient = 'select id from patient where tenant_id = $1 limit 1';

/** What `praxis explain` offers of this domain, and what the tests of plans walk. */
export const patientQueries: readonly HotQuery[] = [
  {
    name: 'patients.search',
    place: 'shard',
    run: (tx) => {
      // Blind indexes of nothing: whom a plan is for does not change it.
      const wanted = [1, 3, 5].map((kind, criterion) => ({
        ...{ kind, criterion, weight: 1 },
        token: randomBytes(tokenBytes),
      }));
      return new TokensRepository().find(tx, wanted, wanted.length, 1_001);
    },
  },
  {
    name: 'patients.all',
    place: 'shard',
    lists: 'GET /api/v1/patients',
    run: (tx) => patients.list(tx, { limit: 50, after: null }),
  },
  {
    name: 'patients.one',
    place: 'shard',
    pick: anyPatient,
    run: (tx, id: PatientId) => patients.read(tx, id),
  },
  {
    name: 'patients.versions',
    place: 'shard',
    pick: anyPatient,
    run: (tx, id: PatientId) => patients.versions(tx, id, 200),
  },
  {
    name: 'patients.notes',
    place: 'shard',
    lists: 'GET /api/v1/patients/{id}/notes',
    pick: anyPatient,
    run: (tx, id: PatientId) => new NotesRepository().list(tx, id, { limit: 50, after: null }),
  },
];
