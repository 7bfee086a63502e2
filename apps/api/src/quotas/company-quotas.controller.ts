import { Controller, Get, Param } from '@nestjs/common';
import type { TenantContext, TenantId } from '#infra/kernel';
import { QuotaStatus, quotasPermission } from '#infra/quotas';
import { Access, Ctx } from '../edge/index.js';
import { fail } from '../operations/operations.errors.js';
import { companyId, presentQuotas, quotasAnswer } from './quotas.dto.js';

const usage = {
  permission: quotasPermission,
  audit: 'none',
  limit: 'read',
  answers: quotasAnswer,
  refusals: ['company.unknown'],
} as const;

/** As /api/v1/quotas, by the company's id: its own people see it, to others it is unknown. */
@Controller('api')
export class CompanyQuotasController {
  constructor(private readonly status: QuotaStatus) {}

  @Get('admin/quotas/:companyId')
  @Access({ ...usage, summary: 'How much of its plan a company uses' })
  async read(@Ctx() ctx: TenantContext, @Param('companyId', { schema: companyId }) id: TenantId) {
    if (id !== ctx.tenant.id) throw fail('company.unknown');
    return presentQuotas(await this.status.read(ctx));
  }

  @Get('v1/admin/quotas/:companyId')
  @Access({ ...usage, summary: 'As /api/admin/quotas/{companyId}' })
  readUnderBase(@Ctx() ctx: TenantContext, @Param('companyId', { schema: companyId }) id: TenantId) {
    return this.read(ctx, id);
  }
}
