import type { LocalDate } from '#infra/time';
import { person } from '../test/people.js';
import { criteriaOf, fits, type PatientCriteria } from './criteria.js';
import type { Demographics } from './patient.js';
import { blockingTokensOf, tokensOf } from './tokens.js';

const maria = person({
  family: 'García-López',
  given: 'María José',
  birthDate: '1984-02-29',
  phone: '+34 600 123 456',
  email: 'MJ@Example.org',
});

/** What the index would answer: somebody meets every condition by one of its alternatives. */
const isNamed = (who: Demographics, asked: PatientCriteria): boolean => {
  const stored = new Set(tokensOf(who).map(({ kind, text }) => `${kind} ${text}`));
  return criteriaOf(asked).every(({ alternatives }) =>
    alternatives.some(({ kind, text }) => stored.has(`${kind} ${text}`)),
  );
};

describe('a search among patients', () => {
  it.each([
    [{ family: 'garcia' }, 'exactly'],
    [{ family: 'Lopez' }, 'exactly'],
    [{ family: 'garcia lopez' }, 'exactly'],
    [{ family: 'GARCIALOPEZ' }, 'exactly'],
    [{ family: 'gar' }, 'begins'],
    [{ given: 'mari' }, 'begins'],
    [{ given: 'josé', family: 'gar' }, 'begins'],
    [{ name: 'lópez maría' }, 'exactly'],
    [{ name: 'jose garc' }, 'begins'],
    [{ birthDate: '1984-02-29' as LocalDate }, 'exactly'],
    [{ phone: '0034600123456' }, 'exactly'],
    [{ phone: '600 123 456', name: 'maria' }, 'not'],
    [{ family: 'ga' }, 'not'],
    [{ family: 'maria' }, 'not'],
    [{ family: 'garciax' }, 'not'],
    [{ family: 'garcia', given: 'pedro' }, 'not'],
    [{ family: 'garcia', birthDate: '1984-02-28' as LocalDate }, 'not'],
  ] as const)('by %j finds her: %s', (asked, how) => {
    expect(fits(maria, asked)).toBe(how);
  });

  it('is never kept by the index from whom it should show', () => {
    const askings = [
      { family: 'garcia' },
      { family: 'López García' },
      { family: 'garcialopez' },
      { family: 'garcial' },
      { given: 'mar' },
      { name: 'lópez maría jos' },
      { birthDate: '1984-02-29' as LocalDate, phone: '34600123456' },
    ];
    for (const asked of askings)
      expect([asked, isNamed(maria, asked), fits(maria, asked) !== 'not']).toEqual([asked, true, true]);
    expect(isNamed(maria, { family: 'smith' })).toBe(false);
  });

  it('finds McDonald whether it is asked for in one word or in two', () => {
    const donald = person({ family: 'McDonald' });
    for (const family of ['Mc Donald', 'mcdonald', 'MCD'])
      expect([family, isNamed(donald, { family }), fits(donald, { family }) !== 'not']).toEqual([family, true, true]);
  });

  it('by two names asks the index for both: nobody is a candidate for the first alone', () => {
    expect(isNamed(person({ family: 'Marsh', given: 'Mary' }), { name: 'mary smith' })).toBe(false);
    expect(isNamed(person({ family: 'Smithson', given: 'Mary' }), { name: 'mary smith' })).toBe(true);
  });

  it('for nothing that could be found has no condition', () => {
    expect(criteriaOf({})).toEqual([]);
    expect(criteriaOf({ name: ' — ' })).toEqual([]);
  });
});

describe('what the index holds of a patient', () => {
  it('is each spelling, its first three letters, and what duplicates would share; nothing of the address or the sex', () => {
    const told = tokensOf(maria).map(({ kind, text }) => `${kind} ${text}`);
    expect(told).toEqual(
      expect.arrayContaining([
        'family garcia',
        'family garcialopez',
        'familyPrefix lop',
        'given jose',
        'email mj@example.org',
      ]),
    );
    expect(new Set(told).size).toBe(told.length);
    expect(told.length).toBeLessThan(20);
    expect(blockingTokensOf(person({ family: '王' }))).toEqual([]);
  });

  it('is the same for names that changed places, so that a registration finds them', () => {
    const sounds = (family: string, given: string) =>
      blockingTokensOf(person({ family, given })).find(({ kind }) => kind === 'sounds');
    expect(sounds('Allen', 'Robert')).toEqual(sounds('Robert', 'Alan'));
  });
});
