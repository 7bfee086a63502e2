/** What happened to whose thing. Opaque ids and names of fields only: never a value, a name or a query. */
export interface AuditEvent {
  /** `<noun>.<verb>`, for example `appointment.book`. */
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId?: string;
  /** Every thing of a person that a list or a search showed. */
  readonly subjectIds?: readonly string[];
  readonly outcome?: 'success' | 'denied' | 'failure';
  readonly fields?: readonly string[];
  readonly versionFrom?: number;
  readonly versionTo?: number;
}
