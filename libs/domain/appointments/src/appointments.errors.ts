import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'appointment.forbidden': { kind: 'forbidden', public: 'Your role does not allow this.' },
  'catalogue.not_found': { kind: 'not_found', public: 'There is no such catalogue.' },
  'catalogue.version_conflict': {
    kind: 'precondition_failed',
    public: 'Whether the catalogue is open has changed since you read it.',
  },
  'location.not_found': { kind: 'not_found', public: 'There is no such location.' },
  'location.version_conflict': { kind: 'precondition_failed', public: 'The location has changed since you read it.' },
  'location.unknown_zone': { kind: 'invalid', public: 'tz is not a name of the IANA time-zone database.' },
  'location.inactive': { kind: 'invalid', public: 'This location is closed to new visits.' },
  'service.not_found': { kind: 'not_found', public: 'There is no such service.' },
  'service.version_conflict': { kind: 'precondition_failed', public: 'The service has changed since you read it.' },
  'service.inactive': { kind: 'invalid', public: 'This service is not offered.' },
  'service.segments_too_long': {
    kind: 'invalid',
    public: 'A segment lies more than a day from the start of the visit.',
  },
  'resource.not_found': { kind: 'not_found', public: 'There is no such resource.' },
  'resource.version_conflict': {
    kind: 'precondition_failed',
    public: 'The resource or its schedule has changed since you read it.',
  },
  'schedule.overlap': { kind: 'invalid', public: 'Two schedules of the resource are valid on the same date.' },
  'override.range_invalid': { kind: 'invalid', public: 'from must not lie after to, and the range may span 366 days.' },
  'override.not_found': { kind: 'not_found', public: 'There is no override for this date.' },
  'block.not_found': { kind: 'not_found', public: 'There is no such block.' },
  'block.conflicts': { kind: 'conflict', public: 'Part of that time is taken already; see conflicts.' },
  'block.too_large': { kind: 'invalid', public: 'The block is too long; cut it into several.' },
  'availability.location_required': {
    kind: 'invalid',
    public: 'Say which location: the service is offered at none or at several.',
  },
  'availability.range_invalid': {
    kind: 'invalid',
    public: 'from must not lie after to, and the range may span 92 days.',
  },
  'availability.search_too_wide': {
    kind: 'invalid',
    public: 'More than 200 resources could serve this; say which provider.',
  },
  'availability.provider_not_choosable': {
    kind: 'invalid',
    public: 'A provider can be chosen only for a service that takes exactly one.',
  },
  'appointment.not_found': { kind: 'not_found', public: 'There is no such appointment.' },
  'appointment.version_conflict': {
    kind: 'precondition_failed',
    public: 'The appointment has changed since you read it.',
  },
  'appointment.slot_taken': { kind: 'conflict', public: 'This time has just been taken; see alternatives.' },
  'appointment.wrong_state': { kind: 'conflict', public: 'The appointment is in a state that does not allow this.' },
  'appointment.already_over': { kind: 'conflict', public: 'The appointment is already over.' },
  'appointment.outside_hours': { kind: 'invalid', public: 'Nobody who is needed is open at this time.' },
  'appointment.notice_too_short': { kind: 'invalid', public: 'This is too soon for the service.' },
  'appointment.beyond_horizon': { kind: 'invalid', public: 'This is further ahead than the service can be booked.' },
  'appointment.off_grid': { kind: 'invalid', public: 'Visits of this service do not start at this minute.' },
  'appointment.no_provider': { kind: 'invalid', public: 'No suitable provider serves this here at this time.' },
  'appointment.no_room': { kind: 'invalid', public: 'No suitable room serves this here at this time.' },
  'appointment.no_device': { kind: 'invalid', public: 'No suitable device serves this here at this time.' },
});
