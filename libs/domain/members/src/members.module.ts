import { Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { Cache } from '#infra/cache';
import { RootKey, TenantCrypto } from '#infra/crypto';
import { systemClock } from '#infra/kernel';
import { Outbox } from '#infra/queues';
import { Sharding } from '#infra/sharding';
import { CardCodes, cardCodeKeyLabel } from './card-code.js';
import { CardPictures } from './card-pictures.js';
import { CardsService } from './cards.service.js';
import { type MembersParts, MembersService } from './members.service.js';
import { VerificationService } from './verification.service.js';

const parts = Symbol('parts of members');

@Module({
  providers: [
    {
      provide: parts,
      inject: [Sharding, Audit, Outbox, TenantCrypto],
      useFactory: (sharding: Sharding, audit: Audit, outbox: Outbox, crypto: TenantCrypto): MembersParts => ({
        sharding,
        audit,
        outbox,
        crypto,
        clock: systemClock,
      }),
    },
    {
      provide: CardCodes,
      inject: [RootKey],
      useFactory: (root: RootKey) => new CardCodes(root.derive(cardCodeKeyLabel)),
    },
    { provide: MembersService, inject: [parts], useFactory: (all: MembersParts) => new MembersService(all) },
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
