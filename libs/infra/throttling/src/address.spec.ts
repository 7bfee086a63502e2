import fc from 'fast-check';
import { addressSubject } from './address.js';

describe('the subject of an address', () => {
  it('is an IPv4 address itself, also when it comes in IPv6’s clothes', () => {
    expect(addressSubject('203.0.113.9')).toBe('203.0.113.9');
    for (const mapped of ['::ffff:203.0.113.9', '::FFFF:cb00:7109', '0:0:0:0:0:ffff:203.0.113.9'])
      expect(addressSubject(mapped)).toBe('203.0.113.9');
  });

  it('is the /64 of an IPv6 address, however it is written', () => {
    expect(addressSubject('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
    expect(addressSubject('2001:0DB8:0001:0002::9')).toBe('2001:db8:1:2::/64');
    expect(addressSubject('2001:db8::1:2:3:4:5')).toBe('2001:db8:0:1::/64');
    expect(addressSubject('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
    expect(addressSubject('::1')).toBe('0:0:0:0::/64');
    expect(addressSubject('64:ff9b::203.0.113.9')).toBe('64:ff9b:0:0::/64');
  });

  it('is one and the same for everything that is no address', () => {
    for (const text of ['', 'unknown', '203.0.113.9:80', '1.2.3', '{t:x}', '::1::2'])
      expect(addressSubject(text)).toBe('unknown');
  });

  it('does not depend on the lower half, and depends on every bit of the upper one', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    const half = fc.tuple(group, group, group, group);
    const text = (groups: readonly number[]) => groups.map((value) => value.toString(16)).join(':');
    fc.assert(
      fc.property(half, half, half, (upper, lower, other) => {
        fc.pre(upper.some((value) => value !== 0));
        const subject = addressSubject(`${text(upper)}:${text(lower)}`);
        expect(addressSubject(`${text(upper)}:${text(other)}`)).toBe(subject);
        expect(subject).toBe(`${text(upper)}::/64`);
      }),
    );
  });
});
