import { bankFile } from './bank-files.js';

const text = 'pair_id,memo,date,amount\n7,A B pay,2022-01-31,36.36\n9,"C, D",2022-02-01,-1.5\n';

describe('a file of payments', () => {
  it('is given to the product without the column that says which payment is which', () => {
    expect(bankFile('x.csv', text).csv).toBe('memo,date,amount\nA B pay,2022-01-31,36.36\n"C, D",2022-02-01,-1.5\n');
  });

  it('is counted and added up to the cent, and its truth is found by the number of the line', () => {
    const file = bankFile('x.csv', text);
    expect([file.lines, file.sumMinor]).toEqual([2, 3_486]);
    expect([1, 2, 3, 4].map((line) => file.pairAt(line))).toEqual([undefined, '7', '9', undefined]);
  });

  it('is refused where its columns are others', () => {
    expect(() => bankFile('x.csv', 'memo,date,amount\n')).toThrow('other columns');
    expect(() => bankFile('x.csv', 'pair_id,memo,date,amount\nA,2022-01-31,1\n')).toThrow('line 2 of x.csv');
    expect(() => bankFile('x.csv', 'pair_id,memo,date,amount\n1,A,2022-01-31,1.234\n')).toThrow('an amount');
  });
});
