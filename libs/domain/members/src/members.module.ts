import { Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { Cache } from '#infra/cache';
import { RootKey, TenantCrypto } from '#infra/crypto';
import { systemClock } from '#infra/kernel';
import { Outbox } from '#infra/queues';
import { Quotas, QuotasModule } from '#infra/quotas';
import { Sharding } from '#infra/sharding';
import { CardCodes, cardCodeKeyLabel } from './card-code.js';
import { CardPictures } from './card-pictures.js';
import { CardsService } from './cards.service.js';
import { type MembersParts, MembersService } from './members.service.js';
import { VerificationService } from './verification.service.js';

const parts = Symbol('parts of members');

@Module({
  imports: [QuotasModule],
  providers: [
    {
      provide: parts,
      inject: [Sharding, Audit, Outbox, TenantCrypto, Quotas],
      useFactory: (...[sharding, audit, outbox, crypto, quotas]: Needs): MembersParts => ({
        sharding,
        audit,
        outbox,
        crypto,
        quotas,
        clock: systemClock,
      }),
    },
    {
      provide: CardCodes,
      inject: [RootKey],
      useFactory: (root: RootKey) => new CardCodes(root.derive(cardCodeKeyLabel)),
    },
    {
      provide: MembersService,
      inject: [parts, Cache],
      useFactory: (all: MembersParts, cache: Cache) => new MembersService(all, cache),
    },
    {
      provide: CardsService,
      inject: [parts, CardCodes, Cache],
      useFactory: (all: MembersParts, codes: CardCodes, cache: Cache) =>
        new CardsService(all, codes, new CardPictures(cache)),
    },
    {
      provide: VerificationService,
      inject: [parts, CardCodes],
      useFactory: (all: MembersParts, codes: CardCodes) => new VerificationService(all, codes),
    },
  ],
  exports: [CardsService, MembersService, VerificationService],
})
export class MembersModule {}

type Needs = [Sharding, Audit, Outbox, TenantCrypto, Quotas];
