import { z } from 'zod';
import {
  type AssessedCard,
  type CardHistoryEntry,
  type CardId,
  cardEvents,
  cardStatuses,
  type GeneratedCard,
  type Inspection,
  idNumberLength,
  idSchemes,
  type Member,
  type MemberFilter,
  type MemberId,
  type Membership,
  type MembershipId,
  memberLimits,
  memberStatuses,
  revocationReasons,
  scanMaxChars,
  type Verification,
  validities,
  verdicts,
} from '#domain/members';
import type { CacheStats, StrategyStats } from '#infra/cache';
import { allOf, idOf, instantText, line, listQuery, localDate, pageOf, utcText, versionNumber } from '../edge/index.js';

export const memberId = idOf<MemberId>('member');
export const cardId = idOf<CardId>('card');
const membershipId = idOf<MembershipId>('membership');

const idScheme = z
  .enum(idSchemes)
  .default('za-id')
  .meta({ description: 'whose rules the id number follows; generic for passports and others' });
/** Never repeated in an answer, a log or a record. */
export const idNumber = z.string().min(1).max(idNumberLength).meta({ description: 'spaces and dashes do not count' });

const name = z.strictObject({ given: line(memberLimits.nameLength), family: line(memberLimits.nameLength) });
export const period = z.strictObject({
  from: localDate.meta({ description: 'first day' }),
  until: localDate.nullable().default(null).meta({ description: 'first day no longer; null: until further notice' }),
  tz: z.string().min(1).max(64).meta({ description: 'IANA time zone whose calendar the days are of' }),
});
export const newMember = z.strictObject({ name, idScheme, idNumber, membership: period });
export const lookup = z.strictObject({ idScheme, idNumber });
export const lookupQuery = z.strictObject({ idScheme });

export const member = z.strictObject({
  id: memberId,
  version: versionNumber,
  memberNo: z.string().meta({ description: 'nine digits, the last a check digit' }),
  status: z.enum(memberStatuses),
  name: z.strictObject({ given: z.string(), family: z.string() }),
  idNumber: z.strictObject({ scheme: z.enum(idSchemes), masked: z.string() }),
  memberships: z.array(
    z.strictObject({ id: membershipId, from: localDate, until: localDate.nullable(), tz: z.string() }),
  ),
  createdAt: instantText,
  updatedAt: instantText,
});
export const members = pageOf(member);
export const memberList = listQuery({ status: z.enum(memberStatuses).optional() });

export const newCard = z.strictObject({
  primary: z.boolean().default(true).meta({ description: 'one active primary card per member' }),
});
export const revocation = z.strictObject({ reason: z.enum(revocationReasons) });
export const card = z.strictObject({
  id: cardId,
  memberId,
  primary: z.boolean(),
  status: z.enum(cardStatuses),
  reason: z.enum(revocationReasons).nullable(),
  version: versionNumber,
  validity: z.enum(validities).meta({ description: 'what a verification would say now' }),
  issuedAt: instantText,
  revokedAt: instantText.nullable(),
});
export const cards = allOf(card);
export const generatedCard = z.strictObject({
  card,
  qr: z.strictObject({
    payload: z.string().meta({ description: 'signed; what POST /api/v1/cards/verify takes as scan' }),
    svg: z.string(),
  }),
});
const cacheCounts = z.strictObject({
  ttl: z.int().meta({ description: 'seconds in the second tier' }),
  entries: z.int().meta({ description: 'in this process’s memory' }),
  bytes: z.int(),
  hits: z.int(),
  misses: z.int(),
  hitRate: z.number().nullable(),
  singleFlightWaits: z.int(),
  staleServed: z.int(),
});
export const cardCaches = z.strictObject({
  since: instantText,
  layers: z.strictObject({
    l1: z.strictObject({ status: z.enum(['up', 'off']), entries: z.int(), bytes: z.int(), maxBytes: z.int() }),
    l2: z.strictObject({ status: z.enum(['up', 'away', 'off']) }),
  }),
  namespaces: z.strictObject({
    memberData: cacheCounts,
    cardData: cacheCounts,
    qrCodes: cacheCounts,
    pdfCards: cacheCounts,
  }),
});
const historyEntry = z.strictObject({
  version: versionNumber,
  event: z.enum(cardEvents),
  reason: z.enum(revocationReasons).nullable(),
  actor: z.strictObject({ kind: z.enum(['user', 'system', 'anonymous']), id: z.string().nullable() }),
  at: instantText,
});
export const cardHistory = allOf(historyEntry);

const nonce = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
export const scanned = z.strictObject({
  scan: z.string().min(1).max(scanMaxChars).meta({ description: 'the text of the QR code, as it was read' }),
  nonce: nonce
    .optional()
    .meta({ description: 'comes back with the answer, so that an old answer is told from a new one' }),
});
const told = { result: z.enum(verdicts), checkedAt: instantText, nonce: z.string().nullable() };
export const verification = z.strictObject(told);
export const inspection = z.strictObject({ ...told, card: card.nullable(), member: member.nullable() });

type Scanned = z.output<typeof scanned>;

export const filterOf = ({ status }: z.output<typeof memberList>): MemberFilter => ({ status });

const presentMembership = ({ id, from, until, tz }: Membership) => ({ id, from, until, tz });

export const presentMember = (found: Member): z.input<typeof member> => ({
  id: found.id,
  version: found.version,
  memberNo: found.memberNo,
  status: found.status,
  name: { given: found.name.given, family: found.name.family },
  idNumber: { scheme: found.idNumber.scheme, masked: found.idNumber.masked },
  memberships: found.memberships.map(presentMembership),
  createdAt: utcText(found.createdAt),
  updatedAt: utcText(found.updatedAt),
});

export const presentCard = (found: AssessedCard): z.input<typeof card> => ({
  id: found.id,
  memberId: found.memberId,
  primary: found.primary,
  status: found.status,
  reason: found.reason,
  version: found.version,
  validity: found.validity,
  issuedAt: utcText(found.issuedAt),
  revokedAt: found.revokedAt === null ? null : utcText(found.revokedAt),
});

export const presentGenerated = ({ card: made, face }: GeneratedCard): z.input<typeof generatedCard> => ({
  card: presentCard(made),
  qr: { payload: face.code, svg: face.svg },
});

const presentCounts = (of: StrategyStats): z.input<typeof cacheCounts> => ({
  ttl: of.ttlS,
  entries: of.memory.entries,
  bytes: of.memory.bytes,
  hits: of.hits,
  misses: of.misses,
  hitRate: of.hitRate,
  singleFlightWaits: of.joined + of.waited,
  staleServed: of.late,
});

export const presentCardCaches = ({ enabled, since, memory, redis, strategies }: CacheStats) =>
  ({
    since: utcText(since),
    layers: {
      l1: { status: enabled ? 'up' : 'off', entries: memory.entries, bytes: memory.bytes, maxBytes: memory.maxBytes },
      l2: { status: enabled ? redis : 'off' },
    },
    namespaces: {
      memberData: presentCounts(strategies.memberData),
      cardData: presentCounts(strategies.cardData),
      qrCodes: presentCounts(strategies.qrCodes),
      pdfCards: presentCounts(strategies.pdfCards),
    },
  }) satisfies z.input<typeof cardCaches>;

export const presentHistory = (entries: readonly CardHistoryEntry[]): z.input<typeof cardHistory> => ({
  data: entries.map(({ actorKind, actorId, ...entry }) => ({
    version: entry.version,
    event: entry.event,
    reason: entry.reason,
    actor: { kind: actorKind, id: actorId },
    at: utcText(entry.at),
  })),
});

/** To a stranger: the verdict and when it was reached. Nothing of the card, the member or the tenant. */
export const presentVerification = (
  { result, checkedAt }: Verification,
  asked: Scanned,
): z.input<typeof verification> => ({ result, checkedAt: utcText(checkedAt), nonce: asked.nonce ?? null });

export const presentInspection = (found: Inspection, asked: Scanned): z.input<typeof inspection> => ({
  ...presentVerification(found, asked),
  card: found.card && presentCard(found.card),
  member: found.member && presentMember(found.member),
});
