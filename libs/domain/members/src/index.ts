export type { Sighting } from './cached-members.js';
export {
  type Card,
  type CardHistoryEntry,
  type CardId,
  cardEvents,
  cardStatuses,
  type RevocationReason,
  revocationReasons,
} from './card.js';
export { scanMaxChars } from './card-code.js';
export type { CardFace } from './card-pictures.js';
export { CardsService, type GeneratedCard } from './cards.service.js';
export { memberQueries } from './hot-queries.js';
export { type IdScheme, idNumberLength, idSchemes } from './id-scheme.js';
export {
  type Member,
  type MemberChange,
  type MemberId,
  type MemberStatus,
  type Membership,
  type MembershipId,
  memberChanges,
  memberLimits,
  memberStatuses,
  type NewMember,
  type Period,
} from './member.js';
export { memberFacts } from './members.facts.js';
export { forgetMember, memberJobs } from './members.jobs.js';
export { MembersModule } from './members.module.js';
export { type MemberVerb, permissionOf } from './members.policy.js';
export type { MemberFilter } from './members.repository.js';
export { type MembersParts, MembersService } from './members.service.js';
export type { QrFormat } from './qr-image.js';
export { type AssessedCard, type Validity, validities } from './validity.js';
export {
  type Inspection,
  type Verdict,
  type Verification,
  VerificationService,
  verdicts,
} from './verification.service.js';
