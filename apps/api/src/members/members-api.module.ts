import { Module } from '@nestjs/common';
import { MembersModule } from '#domain/members';
import { CardsController } from './cards.controller.js';
import { MembersController } from './members.controller.js';
import { OptimizedCardsController } from './optimized-cards.controller.js';

@Module({
  imports: [MembersModule],
  controllers: [MembersController, CardsController, OptimizedCardsController],
})
export class MembersApiModule {}
