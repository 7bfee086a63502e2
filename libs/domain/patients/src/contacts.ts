/** ITU-T E.164: at most 15 digits; fewer than 7 reach nobody from outside. */
export const phoneDigits = { least: 7, most: 15 } as const;
/** Beyond them lie country codes and trunk prefixes, which people leave out. */
const significantDigits = 10;

const digitsOf = (phone: string): string => phone.replaceAll(/\D/g, '');

/** Digits with the usual signs between them, of a length that a telephone number has. */
export function isPhone(phone: string): boolean {
  const digits = digitsOf(phone);
  return /^[\d\s+()./-]+$/.test(phone) && digits.length >= phoneDigits.least && digits.length <= phoneDigits.most;
}

/** By which two ways to write a number are one: its last ten digits. */
export const phoneKeyOf = (phone: string): string => digitsOf(phone).slice(-significantDigits);

export const emailKeyOf = (email: string): string => email.normalize('NFKC').trim().toLowerCase();
