import fc from 'fast-check';
import { addDays, type LocalDate, localDateOf, minuteOfInstant } from '#infra/time';
import { memberStatuses, type Period } from './member.js';
import { type Standing, validityOf } from './validity.js';

const day = (text: string) => text as LocalDate;
const standing = (words: Partial<Standing> = {}): Standing => ({
  cardStatus: 'active',
  memberStatus: 'active',
  periods: [{ from: day('2026-03-01'), until: day('2027-03-01'), tz: 'Africa/Johannesburg' }],
  ...words,
});
const at = (text: string) => Date.parse(text);

describe('a card', () => {
  it('is valid from the first midnight of its membership to the last, by the clock of the membership’s own zone', () => {
    expect(validityOf(standing(), at('2026-02-28T21:59:59.999Z'))).toBe('not_yet_valid');
    expect(validityOf(standing(), at('2026-02-28T22:00:00Z'))).toBe('valid');
    expect(validityOf(standing(), at('2027-02-28T21:59:59.999Z'))).toBe('valid');
    expect(validityOf(standing(), at('2027-02-28T22:00:00Z'))).toBe('expired');
  });

  it('is worth nothing once revoked, whatever the member is; nor while the member is suspended; nor after a resignation', () => {
    const now = at('2026-06-01T12:00:00Z');
    for (const memberStatus of memberStatuses)
      expect(validityOf(standing({ cardStatus: 'revoked', memberStatus }), now)).toBe('revoked');
    expect(validityOf(standing({ memberStatus: 'suspended' }), now)).toBe('suspended');
    expect(validityOf(standing({ memberStatus: 'resigned' }), now)).toBe('expired');
  });

  it('goes on without a gap where one period ends on the day on which the next begins, and stops in a gap', () => {
    const tz = 'UTC';
    const touching = [
      { from: day('2026-01-01'), until: day('2026-02-01'), tz },
      { from: day('2026-02-01'), until: null, tz },
    ];
    expect(validityOf(standing({ periods: touching }), at('2026-01-31T23:59:59.999Z'))).toBe('valid');
    expect(validityOf(standing({ periods: touching }), at('2026-02-01T00:00:00Z'))).toBe('valid');
    expect(validityOf(standing({ periods: touching }), at('2199-01-01T00:00:00Z'))).toBe('valid');
    const apart = [{ ...touching[0]!, until: day('2026-01-15') }, touching[1]!];
    expect(validityOf(standing({ periods: apart }), at('2026-01-20T00:00:00Z'))).toBe('not_yet_valid');
    expect(validityOf(standing({ periods: [] }), at('2026-01-20T00:00:00Z'))).toBe('expired');
  });

  it('is valid exactly when card and member are active and a period covers the local day', () => {
    const dates = fc.integer({ min: 0, max: 800 }).map((n) => addDays(day('2026-01-01'), n));
    const zones = fc.constantFrom('UTC', 'America/Vancouver', 'Pacific/Kiritimati', 'Asia/Kathmandu');
    const period = fc
      .tuple(dates, fc.option(fc.integer({ min: 1, max: 400 })), zones)
      .map(([from, days, tz]): Period => ({ from, until: days === null ? null : addDays(from, days), tz }));
    const now = fc.integer({ min: at('2025-12-01T00:00:00Z'), max: at('2029-01-01T00:00:00Z') });
    const cardStatus = fc.constantFrom('active', 'revoked');
    const memberStatus = fc.constantFrom(...memberStatuses);
    fc.assert(
      fc.property(cardStatus, memberStatus, fc.array(period, { maxLength: 4 }), now, (card, member, periods, then) => {
        const covered = periods.some(({ from, until, tz }) => {
          const today = localDateOf(minuteOfInstant(then), tz);
          return from <= today && (until === null || today < until);
        });
        const found = validityOf({ cardStatus: card, memberStatus: member, periods }, then);
        expect(found === 'valid').toBe(card === 'active' && member === 'active' && covered);
      }),
      { numRuns: 500 },
    );
  });
});
