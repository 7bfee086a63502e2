import { fake, febrl, isThere, pathOf, qualityOf } from '../test/labelled.js';
import { addressOf, person } from '../test/people.js';
import { comparableOf, compare, grades } from './matching.js';
import type { Demographics } from './patient.js';
import { isOneSlip, similarity } from './similarity.js';

const between = (a: Demographics, b: Demographics) => compare(comparableOf(a), comparableOf(b));
const gradeOf = (a: Demographics, b: Demographics) => between(a, b).grade;

const robert = person({
  family: 'Allen',
  given: 'Robert',
  birthDate: '1971-05-24',
  phone: '+1 604 555 0199',
  address: addressOf({ street: '12 Harbour Road', city: 'Vancouver', postcode: 'V6B 1A1' }),
});
const namesake = person({ family: 'Allen', given: 'Robert' });

describe('letters in common', () => {
  it('agree with the published examples of Jaro and Winkler', () => {
    expect(similarity('martha', 'marhta')).toBeCloseTo(0.9611, 4);
    expect(similarity('dixon', 'dicksonx')).toBeCloseTo(0.8133, 4);
    expect(similarity('dwayne', 'duane')).toBeCloseTo(0.84, 4);
    expect([similarity('abc', 'xyz'), similarity('', 'a'), similarity('', '')]).toEqual([0, 0, 1]);
  });

  it('know one slip of a finger from two', () => {
    expect(isOneSlip('19710524', '19710542')).toBe(true);
    expect(isOneSlip('19710524', '19710624')).toBe(true);
    expect(isOneSlip('19710524', '19710635')).toBe(false);
    expect(isOneSlip('19710524', '19710524')).toBe(false);
  });
});

describe('whether two records are one person', () => {
  it('is certain where everything agrees, and where a name or the date has a slip', () => {
    expect(gradeOf(robert, robert)).toBe('certain');
    expect(gradeOf(robert, { ...robert, given: 'Rob' })).toBe('certain');
    expect(gradeOf(robert, { ...robert, family: 'Alan', birthDate: '1971-06-24' as never })).toBe('certain');
    expect(gradeOf(robert, { ...robert, family: 'Robert', given: 'Allen' })).toBe('certain');
  });

  it('is not asked for the same name alone with another birth date, nor for one thing in common', () => {
    const other = person({ family: 'Allen', given: 'Robert', birthDate: '1938-11-02' });
    expect(gradeOf(person({ ...namesake, birthDate: '1971-05-24' }), other)).toBeNull();
    expect(gradeOf(robert, person({ family: 'Okafor', given: 'Ngozi', birthDate: '1971-05-24' }))).toBeNull();
    expect(gradeOf(robert, person({ family: 'Okafor', given: 'Ngozi', phone: '604 555 0199' }))).toBeNull();
  });

  it('stays a question for twins, and for somebody who took another name', () => {
    const twin = { ...robert, given: 'Wendy' };
    expect([gradeOf(robert, twin), between(robert, twin).agreements.given]).toEqual(['possible', 'different']);
    expect(gradeOf(robert, { ...robert, family: 'Okonkwo' })).toBe('possible');
  });

  it('takes what one of them lacks as unknown', () => {
    expect(between(robert, namesake)).toMatchObject({
      grade: 'possible',
      agreements: { family: 'exact', given: 'exact', birthDate: 'unknown', phone: 'unknown', address: 'unknown' },
    });
  });

  it('is the same in both directions', () => {
    for (const other of [namesake, { ...robert, given: 'Wendy' }, { ...robert, email: 'r@x.example' }])
      expect(between(robert, other)).toEqual(between(other, robert));
  });
});

const onlyWith = (file: string) => (isThere(file) ? describe : describe.skip);
const need = (file: string) => (isThere(file) ? '' : ` (skipped: ${pathOf(file)} is not there)`);

// Medplum's published rules reach an F1 of 0.821 and 0.677 on these files (FEBRL without the national number).
onlyWith('febrl3.csv')(`duplicates among the 5,000 records of Febrl${need('febrl3.csv')}`, () => {
  it('are found, few others are taken for them, and nobody is certain who is not', () => {
    const { precision, recall, f1 } = qualityOf(febrl(), grades);
    expect(precision).toBeGreaterThan(0.99);
    expect(recall).toBeGreaterThan(0.9);
    expect(f1).toBeGreaterThan(0.94);
    expect(qualityOf(febrl(), ['certain']).precision).toBeGreaterThan(0.999);
  });
});

onlyWith('fake_1000.csv')(`duplicates among 1,000 records with gaps${need('fake_1000.csv')}`, () => {
  it('are found where enough is known, and few others are taken for them', () => {
    const { precision, f1 } = qualityOf(fake(), grades);
    expect(precision).toBeGreaterThan(0.98);
    expect(f1).toBeGreaterThan(0.78);
    expect(qualityOf(fake(), ['certain']).precision).toBeGreaterThan(0.999);
  });
});
