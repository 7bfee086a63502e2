import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'member.forbidden': { kind: 'forbidden', public: 'Your role does not allow this.' },
  'member.not_found': { kind: 'not_found', public: 'There is no such member.' },
  'member.version_conflict': { kind: 'precondition_failed', public: 'The member has changed since you read it.' },
  'member.already_enrolled': { kind: 'conflict', public: 'Somebody with this id number is enrolled already.' },
  'member.wrong_state': { kind: 'conflict', public: 'The member is in a state that does not allow this.' },
  'member.id_number_invalid': {
    kind: 'invalid',
    public: 'This is no id number of its scheme: digits, check digit, date or citizenship are wrong.',
  },
  'membership.overlap': { kind: 'conflict', public: 'The member has a membership on one of these days already.' },
  'membership.range_invalid': { kind: 'invalid', public: 'until must lie after from.' },
  'membership.unknown_zone': { kind: 'invalid', public: 'tz is not a name of the IANA time-zone database.' },
  'membership.too_many': { kind: 'conflict', public: 'The member has as many membership periods as one may have.' },
  'card.not_found': { kind: 'not_found', public: 'There is no such card.' },
  'card.version_conflict': { kind: 'precondition_failed', public: 'The card has changed since you read it.' },
  'card.primary_exists': { kind: 'conflict', public: 'The member has an active primary card; revoke it first.' },
  'card.too_many': { kind: 'conflict', public: 'The member has as many cards as one may have.' },
  'card.revoked': { kind: 'conflict', public: 'The card is revoked.' },
});
