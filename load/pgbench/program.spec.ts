import { readSummary } from './program.js';

const printed = `number of transactions actually processed: 6321
number of failed transactions: 0 (0.000%)
latency average = 20.242 ms
initial connection time = 51.118 ms
tps = 790.434112 (without initial connection time)
`;

describe('what pgbench prints', () => {
  it('tells transactions and their rate without the time to connect', () => {
    expect(readSummary(printed)).toEqual({ transactions: 6321, perSecond: 790.434112 });
  });

  it('is refused when it lacks them', () => {
    expect(() => readSummary('pgbench: error: client 3 aborted')).toThrow('client 3 aborted');
  });
});
