import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'mail.refused': { kind: 'invalid', public: 'The mail was refused.' },
  'mail.unavailable': { kind: 'unavailable', public: 'Mail cannot be sent right now.' },
});
