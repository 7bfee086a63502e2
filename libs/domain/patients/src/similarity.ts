/** Shares of letters in common order; Winkler's bonus counts a common start, at most four letters of it. */
const startWeight = 0.1;
const startMax = 4;

/** Jaro–Winkler, from 0 (nothing in common) to 1 (equal). */
export function similarity(a: string, b: string): number {
  if (a === b) return 1;
  const jaro = jaroOf(a, b);
  let start = 0;
  while (start < startMax && start < a.length && a[start] === b[start]) start += 1;
  return jaro + start * startWeight * (1 - jaro);
}

function jaroOf(a: string, b: string): number {
  const reach = Math.max(0, Math.floor(Math.max(a.length, b.length) / 2) - 1);
  const taken = new Set<number>();
  const ofA: string[] = [];
  for (let i = 0; i < a.length; i += 1) {
    const end = Math.min(b.length, i + reach + 1);
    for (let j = Math.max(0, i - reach); j < end; j += 1)
      if (!taken.has(j) && a[i] === b[j]) {
        taken.add(j);
        ofA.push(a.charAt(i));
        break;
      }
  }
  if (ofA.length === 0) return 0;
  const ofB = [...taken].sort((x, y) => x - y).map((j) => b[j]);
  const outOfOrder = ofA.filter((letter, n) => letter !== ofB[n]).length / 2;
  const common = ofA.length;
  return (common / a.length + common / b.length + (common - outOfOrder) / common) / 3;
}

/** True where one slip of a finger lies between them: a character other, or two neighbours swapped. */
export function isOneSlip(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  const wrong = [...a].flatMap((letter, n) => (letter === b[n] ? [] : [n]));
  const [first = 0, second = 0] = wrong;
  if (wrong.length === 1) return true;
  return wrong.length === 2 && second === first + 1 && a[first] === b[second] && a[second] === b[first];
}
