import { Controller, Get } from '@nestjs/common';
import type { TenantContext } from '#infra/kernel';
import { QuotaStatus, quotasPermission } from '#infra/quotas';
import { Access, Ctx } from '../edge/index.js';
import { plansAnswer, presentPlans, presentQuotas, quotasAnswer } from './quotas.dto.js';

@Controller('api/v1')
export class QuotasController {
  constructor(private readonly status: QuotaStatus) {}

  @Get('quotas')
  @Access({
    permission: quotasPermission,
    audit: 'none',
    limit: 'read',
    answers: quotasAnswer,
    summary: 'How much of its plan the caller’s company uses',
  })
  async own(@Ctx() ctx: TenantContext) {
    return presentQuotas(await this.status.read(ctx));
  }

  @Get('plans')
  @Access({ permission: 'self', audit: 'none', limit: 'read', answers: plansAnswer, summary: 'What each plan allows' })
  plans() {
    return presentPlans();
  }
}
