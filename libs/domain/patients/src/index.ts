export { isPhone, phoneDigits } from './contacts.js';
export type { PatientCriteria } from './criteria.js';
export { patientQueries } from './hot-queries.js';
export { type Candidate, type ComparedField, comparedFields, type Grade, grades } from './matching.js';
export { wordsOf } from './names.js';
export { type Note, type NoteId, type NoteKey, noteLimits } from './note.js';
export { NotesService } from './notes.service.js';
export {
  type Address,
  type Demographics,
  type Patient,
  type PatientChanges,
  type PatientId,
  type PatientKey,
  type PatientVersion,
  type Sex,
  sexes,
  type VersionEntry,
  type VersionEvent,
  versionEvents,
} from './patient.js';
export { PatientSearchService, type SearchResult, searchLimits } from './patient-search.service.js';
export { patientFacts } from './patients.facts.js';
export { PatientsModule } from './patients.module.js';
export { type PatientVerb, permissionOf } from './patients.policy.js';
export { PatientsService, versionsMax } from './patients.service.js';
export { duplicateLimits, type Registration, RegistrationService } from './registration.service.js';
