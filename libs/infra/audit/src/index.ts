export { Audit, type AuditEvent, type AuditPlace } from './audit.js';
export { AuditModule } from './audit.module.js';
