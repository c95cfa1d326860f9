import { describe, expect, it } from 'vitest';
import { pivotOf } from './pivot';

const column = (name: string) => ({ name, type: 'VARCHAR' });

describe('a pivot table', () => {
  it('spreads the last but one column and says which row of the result a cell is', () => {
    const pivot = pivotOf(
      [column('origin'), column('month'), column('flights')],
      [
        ['EWR', 1, 10],
        ['EWR', 2, 20],
        ['JFK', 2, 30],
        [null, 1, 5],
      ],
    );
    expect(pivot.heads).toEqual(['origin']);
    expect(pivot.columns).toEqual(['1', '2']);
    expect(pivot.rows).toEqual([
      { names: ['EWR'], cells: [0, 1] },
      { names: ['JFK'], cells: [null, 2] },
      { names: ['NULL'], cells: [3, null] },
    ]);
  });
});
