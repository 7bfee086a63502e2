import { nodesIn } from './node-watch.js';

describe('the answer of CLUSTER NODES', () => {
  it('names every node by its address, and as down those that the cluster takes, or begins to take, for failed', () => {
    const answer = [
      'a1 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460',
      'a2 10.0.0.2:7000@17000,node-2.local master,fail - 0 0 2 disconnected 5461-10922',
      'a3 10.0.0.3:7000@17000 master,fail? - 0 0 3 connected 10923-16383',
      'a4 10.0.0.4:7000@17000 slave,nofailover a1 0 0 1 connected',
      'a5 :0@0 master,noaddr - 0 0 0 disconnected',
      '',
    ].join('\n');
    expect([...nodesIn(answer)]).toEqual([
      ['10.0.0.1:7000', true],
      ['10.0.0.2:7000', false],
      ['10.0.0.3:7000', false],
      ['10.0.0.4:7000', true],
    ]);
  });
});
