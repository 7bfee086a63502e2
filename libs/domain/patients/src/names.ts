/** Letters that Unicode does not take apart into a base letter and a mark. */
const spelledOut: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
};

/**
 * The words of a name as they are compared: compatibility forms taken apart, lower case, no diacritics; apostrophes
 * vanish (O’Brien, obrien), every other sign parts words (Garcia-Lopez, Garcia Lopez).
 */
export function wordsOf(name: string | null): readonly string[] {
  if (name === null) return [];
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[ßæœøłđðþı]/g, (letter) => spelledOut[letter] ?? letter)
    .replaceAll(/['’‘ʼʻ`´]/g, '');
  return plain.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
}

/** All words in one: Mc Donald and McDonald, Anne-Marie and Annemarie. */
export const joined = (words: readonly string[]): string => words.join('');

/** What a search can ask for: each word, and all of them in one. */
export function spellingsOf(name: string | null): readonly string[] {
  const words = wordsOf(name);
  return words.length > 1 ? [...words, joined(words)] : words;
}

/** Letters of a prefix that is indexed. Two would be asked of too many people, four would find too few. */
export const prefixLength = 3;

/** Null for a word that is shorter. */
export function prefixOf(word: string): string | null {
  const letters = [...word];
  return letters.length < prefixLength ? null : letters.slice(0, prefixLength).join('');
}
