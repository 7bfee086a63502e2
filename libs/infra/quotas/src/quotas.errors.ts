import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'quota.exceeded': {
    kind: 'forbidden',
    public: 'The plan allows no more of these. `upgrade` names the plan that does; nothing that exists is lost.',
  },
  'quota.not_recounted': { kind: 'unavailable', public: 'Not everything could be counted.' },
});
