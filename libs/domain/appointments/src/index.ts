export {
  analyticsLimits,
  type DayOfVisits,
  type ServiceVisits,
  type VisitCounts,
  type VisitFigures,
  type VisitRange,
} from './analytics.js';
export { AnalyticsService } from './analytics.service.js';
export {
  type Appointment,
  type AppointmentEvent,
  type AppointmentFilter,
  type AppointmentId,
  type AppointmentKey,
  type AppointmentStatus,
  appointmentEvents,
  appointmentStatuses,
  type CancelReason,
  type Client,
  cancelReasons,
  type HistoryEntry,
  type Share,
} from './appointment.js';
export { appointmentFacts } from './appointments.facts.js';
export { appointmentJobs, forgetCatalogue } from './appointments.jobs.js';
export { AppointmentsModule } from './appointments.module.js';
export { type AppointmentVerb, permissionOf } from './appointments.policy.js';
export { AppointmentsService, type Cancellation } from './appointments.service.js';
export type { Segment } from './availability.js';
export { type Availability, type AvailabilityQuery, AvailabilityService } from './availability.service.js';
export { type Block, type BlockId, type BlockKey, type BlockReason, blockReasons, type NewBlock } from './block.js';
export { BookingService, type NewBooking, type Rescheduling } from './booking.service.js';
export { CalendarService, overridesMaxDays, type PlacedBlock, type Schedule } from './calendar.service.js';
export {
  catalogueLimits,
  type Location,
  type LocationChanges,
  type LocationId,
  type NewLocation,
  type NewResource,
  type NewService,
  type Resource,
  type ResourceChanges,
  type ResourceFilter,
  type Service,
  type ServiceChanges,
  type ServiceId,
} from './catalogue.js';
export { CatalogueService } from './catalogue.service.js';
export { appointmentQueries } from './hot-queries.js';
export type { Publication, PublicLocation, PublicService } from './public-catalogue.js';
export { publicCatalogueMax } from './public-catalogue.js';
export { PublicCatalogueService } from './public-catalogue.service.js';
export { type ResourceId, type ResourceKind, resourceKinds } from './resource.js';
export type { DatedSchedule, DayWindow, Override, WeeklyRule } from './schedule.js';
export { type SeededClinic, seedClinic } from './seed-clinic.js';
