import { newId, type TenantContext } from '#infra/kernel';
import { Catalogue, Nudge, Outbox } from '#infra/queues';
import { Quotas } from '#infra/quotas';
import { createLog, Metrics } from '#infra/telemetry';
import type { TestDatabases } from '#infra/testing';
import { NotesService } from '../src/notes.service.js';
import { PatientSearchService } from '../src/patient-search.service.js';
import { patientFacts } from '../src/patients.facts.js';
import { PatientsService } from '../src/patients.service.js';
import { RegistrationService } from '../src/registration.service.js';

/** The domain as an app wires it, on databases of a spec. */
export function openServices(db: TestDatabases) {
  const { sharding, audit, crypto, clock, redis } = db;
  const log = createLog({ level: 'error', service: 'test' }, { app: 'test', version: '0.0.0' });
  const outbox = new Outbox(new Catalogue({ facts: patientFacts }), new Nudge(redis, log), clock);
  const quotas = new Quotas({ sharding, clock, log, metrics: new Metrics() });
  const parts = { sharding, audit, outbox, crypto, clock, quotas };
  return {
    notes: new NotesService(parts),
    patients: new PatientsService(parts),
    registration: new RegistrationService(parts),
    searching: new PatientSearchService(parts),
  };
}
export type Services = ReturnType<typeof openServices>;

/** The same tenant, seen by another request; nobody gives up waiting because a spec moves the clock. */
export const again = (ctx: TenantContext, words: Partial<TenantContext> = {}): TenantContext => ({
  ...ctx,
  deadline: Number.MAX_SAFE_INTEGER,
  requestId: newId(),
  ...words,
});
