export {
  formatInstant,
  instantOfMinute,
  localDateOf,
  minuteOfInstant,
  parseInstant,
  type WallClock,
  wallClock,
} from './instant.js';
export {
  addDays,
  compareDates,
  dateOfEpochDay,
  dateOfLocalMin,
  daysBetween,
  epochDayOfDate,
  epochDayOfLocalMin,
  type LocalDate,
  localMinOf,
  MINUTES_PER_DAY,
  minuteOfDayOf,
  parseLocalDate,
  type Weekday,
  weekdayOf,
  weekdayOfEpochDay,
} from './local-date.js';
export {
  isZone,
  offsetMinAt,
  parseZone,
  type Stretch,
  stretches,
  toLocalMin,
  toUtcEndMin,
  toUtcMin,
  type Zone,
} from './zone.js';
export { TZDB_VERSION, zoneNames } from './zone-table.js';
