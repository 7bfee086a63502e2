import { secret, slice, text } from '#infra/config';

/** Only the operator's machine knows these; no app reads them. */
export const operatorConfig = slice('Operator', {
  adminUser: text('DB_ADMIN_USER', {
    default: 'postgres',
    description: 'role that may create roles and databases and become praxis_owner',
  }),
  adminPassword: secret('DB_ADMIN_PASSWORD', { description: 'its password, the same on every server' }),
  readOnlyPassword: secret('DB_READONLY_PASSWORD', { description: 'password that role praxis_ro gets' }),
});
