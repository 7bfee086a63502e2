import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'batch.out_of_time': { kind: 'unavailable', public: 'The batch took too long; this part was not begun.' },
  'batch.broken_off': {
    kind: 'unavailable',
    public: 'Nobody knows whether this part had its effect: look before you repeat it.',
  },
  'batch.not_json': { kind: 'invalid', public: 'This operation answers something else than JSON: call it by itself.' },
});
