import { StackUsageError, stackVerb } from './verb.js';

const usual = { verb: 'up', apis: 2, gateways: 2, workers: 1, redisCluster: false };

describe('what is asked of praxis stack', () => {
  it('is two apis, two gateways and a worker unless numbers are given', () => {
    expect(stackVerb(['up'])).toEqual(usual);
    expect(stackVerb(['up', '--apis', '1', '--gateways=0', '--workers', '8', '--redis-cluster'])).toEqual({
      verb: 'up',
      apis: 1,
      gateways: 0,
      workers: 8,
      redisCluster: true,
    });
  });

  it('is how it stands, or to stop, without more words', () => {
    expect(stackVerb(['status'])).toEqual({ verb: 'status' });
    expect(stackVerb(['down'])).toEqual({ verb: 'down' });
    expect(() => stackVerb(['down', 'now'])).toThrow('praxis stack down now');
  });

  it('is refused in words where it is nothing that the stack does', () => {
    const refused = [[], ['fly'], ['up', '--apis', '0'], ['up', '--apis', '9'], ['up', '--workers', '1.5']];
    for (const args of [...refused, ['up', '--apis'], ['up', '--shards', '2'], ['up', 'two']])
      expect(() => stackVerb(args)).toThrow(StackUsageError);
    expect(() => stackVerb(['up', '--gateways', '-1'])).toThrow(StackUsageError);
    expect(() => stackVerb(['up', '--apis', '9'])).toThrow('--apis must be a whole number from 1 to 8');
  });
});
