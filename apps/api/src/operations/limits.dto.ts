import { z } from 'zod';
import type { UserId } from '#infra/kernel';
import type { Block, TenantNetwork } from '#infra/throttling';
import { idOf, instantText, utcText } from '../edge/index.js';

const networkMax = 49;

const block = z.strictObject({
  kind: z.enum(['user', 'address']),
  userId: z.string().nullable().meta({ description: 'null: an address is blocked' }),
  address: z.string().nullable().meta({ description: 'IPv6 by its /64; null: a user is blocked' }),
  until: instantText,
});
export const blocksAnswer = z.strictObject({ blocks: z.array(block) });

export const unblockBody = z.strictObject({ userId: idOf<UserId>('user') });

export const networkText = z.string().min(2).max(networkMax).meta({ description: '`203.0.113.0/29`, or one address' });
export const networkBody = z.strictObject({ network: networkText });
export const networkAnswer = z.strictObject({ network: z.string(), createdAt: instantText });
export const networksAnswer = z.strictObject({ networks: z.array(networkAnswer) });

export const presentBlock = ({ subject, until }: Block) =>
  ({
    kind: subject.kind,
    userId: subject.kind === 'user' ? subject.userId : null,
    address: subject.kind === 'address' ? subject.address : null,
    until: utcText(until),
  }) satisfies z.input<typeof block>;

export const presentNetwork = ({ network, createdAt }: TenantNetwork) =>
  ({ network, createdAt: utcText(createdAt) }) satisfies z.input<typeof networkAnswer>;
