import { Module } from '@nestjs/common';
import { QuotasModule } from '#infra/quotas';
import { CompanyQuotasController } from './company-quotas.controller.js';
import { QuotasController } from './quotas.controller.js';

@Module({ imports: [QuotasModule], controllers: [QuotasController, CompanyQuotasController] })
export class QuotasApiModule {}
