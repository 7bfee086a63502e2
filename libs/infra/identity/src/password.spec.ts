import fc from 'fast-check';
import { faultOf, guessPoints } from './password.js';

const own = ['harbor-clinic', 'ines.moreau@harbor.example', 'Inès Moreau'];

describe('a new password', () => {
  it.each([
    ['Password1234!', 'a common word, a run and a sign'],
    ['p@$$w0rd!2024', 'the same with signs for letters'],
    ['we1come-we1come', 'a common word twice'],
    ['Summer2026!!!', 'a word, a year, a run'],
    ['123456789012', 'a counted run'],
    ['aaaaaaaaaaaa', 'one key'],
    ['qwertyuiop[]', 'a row of keys'],
    ['abcabcabcabc', 'a repetition'],
    ['Xk9Xk9Xk9Xk9', 'a repetition of something short'],
    ['harbor-clinic-2026', 'the name of the tenant'],
    ['Moreau!Moreau1', 'the name of the person'],
    ['Correct Horse Battery Staple', 'a phrase that everybody knows'],
  ])('%s is refused: %s', (password) => {
    expect(faultOf(password, own)).toBe('password.guessable');
  });

  it.each([
    ['seven otters left', 'a phrase in lower case without digits'],
    ['summer dragon purple monkey', 'four common words'],
    ['my clinic opens at seven each day', 'a phrase that names the clinic among other things'],
    ['g7Tz-q0Lw-e5Rk', 'random characters'],
    ['шестьдесят вёсел', 'another alphabet'],
  ])('%s is taken: %s', (password) => {
    expect(faultOf(password, own)).toBeNull();
  });

  it('has 12 to 128 characters, counted as code points after NFKC', () => {
    const alphabet = 'kq7vx2mz0hw4';
    expect(faultOf(alphabet.slice(0, 11), [])).toBe('password.too_short');
    expect(faultOf(alphabet, [])).toBeNull();
    expect(faultOf('😀😃😄😁😆😅🤣😂🙂🙃🫠', [])).toBe('password.too_short');
    expect(faultOf('😀😃😄😁😆😅🤣😂🙂🙃🫠😉', [])).toBeNull();
    const long = [...Array(128).keys()].map((n) => String.fromCodePoint(0x4e00 + n * 7)).join('');
    expect(faultOf(long, [])).toBeNull();
    expect(faultOf(`${long}x`, [])).toBe('password.too_long');
  });

  it('is judged in a time that its length bounds, whatever it is made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 12, maxLength: 128 }), (password) => {
        const points = guessPoints(password, own);
        expect(points).toBeGreaterThanOrEqual(0);
        expect(points).toBeLessThanOrEqual(3 * 18 * 128);
      }),
    );
  });

  it('of random letters and digits is practically never refused', () => {
    const random = fc.string({ unit: fc.constantFrom(...'bcdfghjkmnpqrtvwxz2469'), minLength: 16, maxLength: 16 });
    const refused = fc.sample(random, { numRuns: 500, seed: 7 }).filter((password) => faultOf(password, own) !== null);
    expect(refused).toEqual([]);
  });
});
