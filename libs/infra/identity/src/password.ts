import { breachedPhrases, commonWords } from './common-words.js';

/** NIST SP 800-63B-4: length counts, composition rules do not. Counted in Unicode code points after NFKC. */
export const passwordLength = { least: 12, most: 128 } as const;

/**
 * What a password is worth: 1 point for a character that nothing predicts, 3 for one of the 700 commonest words, 1 for
 * a run, a year, a word of the person's own address or tenant, 0 for a repetition. `Password1234!` has 5.
 */
const leastPoints = 8;

export type PasswordFault = 'password.too_short' | 'password.too_long' | 'password.guessable';

/** The form in which a password is judged, hashed and verified: the same keys give the same text on every device. */
export const normalizePassword = (password: string): string => password.normalize('NFKC');

/** What is wrong with a new password, or null. `own`: the tenant's slug, the person's e-mail and name. */
export function faultOf(password: string, own: readonly string[]): PasswordFault | null {
  const characters = [...normalizePassword(password)];
  if (characters.length < passwordLength.least) return 'password.too_short';
  if (characters.length > passwordLength.most) return 'password.too_long';
  return guessPoints(password, own) < leastPoints ? 'password.guessable' : null;
}

export function guessPoints(password: string, own: readonly string[]): number {
  const text = withoutRepetition(normalizePassword(password).toLowerCase());
  if (breachedPhrases.has(text.replace(/[^a-z0-9]/g, ''))) return 0;
  const ownWords = new Set(own.flatMap(wordsOf));
  const readings = unleet(text);
  const seen = new Set<string>();
  let points = 0;
  for (let at = 0; at < text.length; ) {
    const piece = pieceAt(text, readings, at, ownWords);
    points += seen.has(piece.text) && piece.text.length > 1 ? 0 : piece.points;
    seen.add(piece.text);
    at += piece.text.length;
  }
  return points;
}

interface Piece {
  readonly text: string;
  readonly points: number;
}

function pieceAt(text: string, readings: readonly string[], at: number, own: ReadonlySet<string>): Piece {
  const word = wordAt(readings, at, own);
  if (word !== null) return { text: word, points: own.has(word) ? 1 : 3 };
  const year = /^(?:19|20)[0-9]{2}/.exec(text.slice(at, at + 4))?.[0];
  if (year !== undefined) return { text: year, points: 1 };
  return { text: text.slice(at, at + runLength(text, at)), points: 1 };
}

const wordLength = { least: 4, most: 20 } as const;

function wordAt(readings: readonly string[], at: number, own: ReadonlySet<string>): string | null {
  for (let length = wordLength.most; length >= wordLength.least; length -= 1)
    for (const reading of readings) {
      const word = reading.slice(at, at + length);
      if (word.length === length && (own.has(word) || commonWords.has(word))) return word;
    }
  return null;
}

/** Words of at least four letters or digits in a slug, an address or a name. */
const wordsOf = (text: string): string[] =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length >= wordLength.least)
    .map((word) => word.slice(0, wordLength.most));

const substitutes: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'l',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
};

/** The text as typed, and with the usual signs read as letters; all of the same length. */
function unleet(text: string): readonly string[] {
  const read = text.replace(/[013457@$!]/g, (sign) => substitutes[sign] ?? sign);
  return [text, read, text.replace(/[013457@$!]/g, (sign) => (sign === '1' ? 'i' : (substitutes[sign] ?? sign)))];
}

const rows = ['abcdefghijklmnopqrstuvwxyz', '01234567890', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm', '1qaz2wsx3edc4rfv'];
const sequences = [...rows, ...rows.map((row) => [...row].reverse().join(''))];

/** 3 or more equal, counted or neighbouring keys are one piece; else 1. */
function runLength(text: string, at: number): number {
  const longest = Math.max(equalRun(text, at), ...sequences.map((sequence) => sharedRun(text, at, sequence)));
  return longest >= 3 ? longest : 1;
}

function equalRun(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && text[end] === text[at]) end += 1;
  return end - at;
}

function sharedRun(text: string, at: number, sequence: string): number {
  const start = sequence.indexOf(text.charAt(at));
  if (start < 0) return 0;
  let length = 1;
  while (
    at + length < text.length &&
    start + length < sequence.length &&
    text[at + length] === sequence[start + length]
  )
    length += 1;
  return length;
}

/** `abcabcabcabc` is worth what `abc` is. */
function withoutRepetition(text: string): string {
  return /^(.{1,64}?)\1+$/su.exec(text)?.[1] ?? text;
}
