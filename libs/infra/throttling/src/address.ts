import { isIPv4, isIPv6 } from 'node:net';

const groupCount = 8;
const groupsOfSubnet = 4;

/**
 * Whom an address stands for: an IPv4 address for itself, an IPv6 address for its /64, since one customer gets at least
 * that many; IPv4 in IPv6's clothes is IPv4. Everything else is one and the same subject.
 */
export function addressSubject(address: string): string {
  const bare = address.replace(/%.*$/, '');
  if (isIPv4(bare)) return bare;
  if (!isIPv6(bare)) return 'unknown';
  const groups = groupsOf(bare);
  if (isMapped(groups)) return dotted(groups[6] ?? 0, groups[7] ?? 0);
  const subnet = groups.slice(0, groupsOfSubnet).map((group) => group.toString(16));
  return `${subnet.join(':')}::/64`;
}

/** The eight 16-bit groups of a valid IPv6 address. */
function groupsOf(address: string): readonly number[] {
  const [head = '', tail = ''] = address.split('::', 2);
  const before = numbersIn(head);
  const after = numbersIn(tail);
  return [...before, ...Array<number>(groupCount - before.length - after.length).fill(0), ...after];
}

const numbersIn = (text: string): readonly number[] =>
  text === '' ? [] : text.split(':').flatMap((group) => (isIPv4(group) ? pair(group) : Number.parseInt(group, 16)));

function pair(ipv4: string): readonly number[] {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}

const isMapped = (groups: readonly number[]): boolean =>
  groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);

const dotted = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join('.');
