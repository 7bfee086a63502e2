export { type Config, ConfigError, parseConfig } from './config.js';
export { configMarkdown, envExample } from './document.js';
export { effectiveConfig } from './effective.js';
export { Secret } from './secret.js';
export { type Environment, type Slice, slice, type Values, type Variables } from './slice.js';
export {
  choice,
  family,
  flag,
  integer,
  list,
  optional,
  secret,
  secretUrl,
  text,
  url,
  type Variable,
} from './variable.js';
