import { parseLocalDate } from '#infra/time';

export const idSchemes = ['za-id', 'generic'] as const;
export type IdScheme = (typeof idSchemes)[number];

/** An id number in its scheme's one spelling. Sealed wherever it is stored. */
export interface IdNumber {
  readonly scheme: IdScheme;
  readonly text: string;
}

/** The longest input that is looked at. */
export const idNumberLength = 64;

/** One country's numbers: the one spelling of an input, or null where it is no number of the scheme. */
type Normalise = (plain: string) => string | null;

/**
 * South Africa: YYMMDD SSSS C A Z. C is 0 for citizens, 1 for permanent residents, 2 for refugees; Z makes the Luhn sum.
 * The century is not written, so a date counts when it exists in either.
 */
const southAfrican: Normalise = (plain) => {
  if (!/^[0-9]{10}[012][0-9]{2}$/.test(plain)) return null;
  const day = `${plain.slice(0, 2)}-${plain.slice(2, 4)}-${plain.slice(4, 6)}`;
  const isDate = ['19', '20'].some((century) => parseLocalDate(century + day) !== undefined);
  return isDate && luhnHolds(plain) ? plain : null;
};

/** Passports and numbers whose rules are not known here: 4…32 letters and digits, in capitals. */
const generic: Normalise = (plain) => (/^[A-Za-z0-9]{4,32}$/.test(plain) ? plain.toUpperCase() : null);

const schemes: Readonly<Record<IdScheme, Normalise>> = { 'za-id': southAfrican, generic };

/** However it was spaced, dashed or typed in full width: the same number, the same answer. Null where it is wrong. */
export function readIdNumber(scheme: IdScheme, input: string): IdNumber | null {
  if (input.length > idNumberLength) return null;
  const text = schemes[scheme](input.normalize('NFKC').replaceAll(/[\s./\p{Pd}]/gu, ''));
  return text === null ? null : { scheme, text };
}

/** What the blind index is made of. */
export const indexText = ({ scheme, text }: IdNumber): string => `${scheme}|${text}`;

/** `80010*****087`: enough to compare with a document in hand; a short number shows nothing. */
export function masked({ text }: IdNumber): string {
  if (text.length < 12) return '*'.repeat(text.length);
  return text.slice(0, 5) + '*'.repeat(text.length - 8) + text.slice(-3);
}

function luhnHolds(digits: string): boolean {
  let sum = 0;
  for (let n = 0; n < digits.length; n += 1) {
    const digit = Number(digits[digits.length - 1 - n]);
    const doubled = n % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
