export { Audit, type AuditPlace } from './audit.js';
export { AuditModule } from './audit.module.js';
export type { AuditEvent } from './audit-event.js';
