import fc from 'fast-check';
import { emailKeyOf, isPhone, phoneKeyOf } from './contacts.js';
import { prefixOf, spellingsOf, wordsOf } from './names.js';
import { soundOf } from './phonetic.js';

describe('a name as it is compared', () => {
  it.each([
    ['GARCÍA', ['garcia']],
    ['Garcia-Lopez', ['garcia', 'lopez']],
    ['  García   López ', ['garcia', 'lopez']],
    ["O'Brien", ['obrien']],
    ['O’Brien', ['obrien']],
    ['Øster Straße', ['oster', 'strasse']],
    ['Łukasz', ['lukasz']],
    ['Æsa Ðorði', ['aesa', 'dordi']],
    ['İbrahim Işık', ['ibrahim', 'isik']],
    ['Nguyễn Thị', ['nguyen', 'thi']],
    ['ﬁlip', ['filip']],
    ['王小明', ['王小明']],
    ['Иванов', ['иванов']],
    ['—', []],
  ])('%s is %j', (name, words) => {
    expect(wordsOf(name)).toEqual(words);
  });

  it('is the same however its letters are composed, and stays what it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), (name) => {
        const words = wordsOf(name);
        expect(wordsOf(name.normalize('NFD'))).toEqual(words);
        expect(wordsOf(words.join(' '))).toEqual(words);
      }),
    );
  });

  it('of several words is found by each and by all in one; its prefix has three letters, a shorter word none', () => {
    expect(spellingsOf('Mc Donald')).toEqual(['mc', 'donald', 'mcdonald']);
    expect(spellingsOf('Li')).toEqual(['li']);
    expect(spellingsOf(null)).toEqual([]);
    expect(['smith', 'lee', 'li', '王小明'].map(prefixOf)).toEqual(['smi', 'lee', null, '王小明']);
  });
});

describe('the sound of a name', () => {
  it.each([
    ['smith', 'smyth'],
    ['stephen', 'steven'],
    ['philip', 'filip'],
    ['catherine', 'katherine'],
    ['knight', 'night'],
    ['wright', 'right'],
    ['jackson', 'jaxon'],
    ['mayer', 'mayor'],
    ['schmidt', 'schmit'],
    ['allen', 'alan'],
    ['thompson', 'thompsen'],
    ['xavier', 'savier'],
  ])('%s sounds as %s', (one, other) => {
    expect(soundOf(one)).toBe(soundOf(other));
  });

  it.each([
    ['smith', 'jones'],
    ['mark', 'mary'],
    ['anna', 'hanna'],
    ['chang', 'zhang'],
    ['tom', 'thom'],
  ])('%s does not sound as %s', (one, other) => {
    expect(soundOf(one)).not.toBe(soundOf(other));
  });

  it('is there for every name: in other letters it is the name', () => {
    expect(soundOf('иванов')).toBe('иванов');
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{1,20}$/), (word) => {
        expect(soundOf(word)).toMatch(/^[A-Z0a-z]+$/);
      }),
    );
  });
});

describe('a telephone number', () => {
  it('is one however it is written, with its country or without', () => {
    const ways = ['+1 604 555 0199', '(604) 555-0199', '604.555.0199', '0016045550199', '6045550199'];
    expect(new Set(ways.map(phoneKeyOf))).toEqual(new Set(['6045550199']));
    expect(ways.every(isPhone)).toBe(true);
  });

  it('has 7 to 15 digits and no letters', () => {
    for (const wrong of ['123456', '1234567890123456', '604-CALL-NOW', '604 555 0199 ext 5', ''])
      expect([wrong, isPhone(wrong)]).toEqual([wrong, false]);
  });
});

it('an e-mail address is one in any case', () => {
  expect(emailKeyOf(' Ada@Example.ORG ')).toBe('ada@example.org');
});
