import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'mail.refused': { kind: 'invalid', public: 'The mail was refused.' },
  'mail.not_tried': { kind: 'unavailable', public: 'Mail cannot be sent right now.' },
  'mail.unavailable': { kind: 'unavailable', public: 'Mail cannot be sent right now.' },
});
