import { Module } from '@nestjs/common';
import { ReconciliationModule } from '#domain/reconciliation';
import { ReconciliationRunsController } from './runs.controller.js';
import { ReconciliationSourcesController } from './sources.controller.js';
import { ReconciliationStatementsController } from './statements.controller.js';

@Module({
  imports: [ReconciliationModule],
  controllers: [ReconciliationSourcesController, ReconciliationStatementsController, ReconciliationRunsController],
})
export class ReconciliationApiModule {}
