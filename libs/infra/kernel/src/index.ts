export {
  AppError,
  defineErrors,
  type ErrorDefinition,
  type ErrorKind,
  type ErrorOptions,
  errorKinds,
  type InputMistake,
  isAppError,
} from './app-error.js';
export { type Clock, FixedClock, type Instant, monotonicMs, systemClock, toDate } from './clock.js';
export {
  type Actor,
  type AnonymousActor,
  type Consistency,
  type Context,
  type IdempotencyRequest,
  may,
  type Plan,
  plans,
  type SeenWrite,
  type SystemActor,
  type Tenant,
  type TenantContext,
  type UserActor,
} from './context.js';
export { type Id, isId, newId, type SessionId, type TenantId, type UserId } from './ids.js';
export {
  addMinor,
  allocate,
  type DecimalSign,
  formatMoney,
  type MoneyFormat,
  MoneyOverflow,
  minorDigitsOf,
  moneyMaxMinor,
  moneyParser,
  moneyTextMaxChars,
  parseMoney,
  sumMinor,
} from './money.js';
export { type Page, type PageRequest, pageOf, type Total } from './page.js';
