/**
 * Metaphone (L. Philips, 1990) as substitutions. Lower case: letters still to be read; upper case and 0: sounds, final.
 * X is sh, 0 is th.
 */
const rules: readonly (readonly [RegExp, string])[] = [
  [/([abd-z])\1+/g, '$1'],
  [/^[gkp](?=n)/, ''],
  [/^a(?=e)/, ''],
  [/^w(?=r)/, ''],
  [/^x/, 'S'],
  [/^wh/, 'W'],
  [/(?<=m)b$/, ''],
  [/tch/g, 'X'],
  [/sch/g, 'SK'],
  [/ch|c(?=ia)/g, 'X'],
  [/(?<=s)c(?=[iey])/g, ''],
  [/c(?=[iey])/g, 'S'],
  [/c+k?|q/g, 'K'],
  [/dg(?=[iey])/g, 'J'],
  [/d/g, 'T'],
  [/gh(?![aeiou])/g, ''],
  [/g(?=n$|ned$)/g, ''],
  [/g(?=[iey])/g, 'J'],
  [/gh?/g, 'K'],
  [/ph/g, 'F'],
  [/sh|s(?=i[oa])/g, 'X'],
  [/th/g, '0'],
  [/t(?=i[oa])/g, 'X'],
  [/(?<=[aeiouk])h(?![aeiou])|(?<=[A-Z])h/g, ''],
  [/v/g, 'F'],
  [/[wy](?![aeiou])/g, ''],
  [/x/g, 'KS'],
  [/z/g, 'S'],
  [/(?<!^)[aeiou]/g, ''],
];

const latin = /^[a-z]+$/;

/** How a normalised word sounds in English; a word in other letters stays as it is. */
export function soundOf(word: string): string {
  if (!latin.test(word)) return word;
  const sound = rules.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), word);
  return sound.toUpperCase().replaceAll(/(.)\1+/g, '$1') || word;
}
