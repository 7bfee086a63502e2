export { Access, type AccessRule } from './access.js';
export { BodyBytes, type BodyStream } from './body-bytes.js';
export { TellKnown } from './known.js';
export { type CursorKey, PageQuery, type Paging, presentPage } from './paging.js';
export { Ctx, IfMatch } from './parameters.js';
export { type Part, type PartAnswer, Parts, PartsOfBatch } from './parts.js';
export { problemAnswer } from './problem.js';
export {
  allOf,
  currency,
  emailAddress,
  idOf,
  instant,
  instantText,
  line,
  listQuery,
  localDate,
  money,
  pageOf,
  prose,
  utcText,
  versionNumber,
} from './schemas.js';
