import { describe, expect, it } from 'vitest';
import { chartData } from './series';

const column = (name: string, type: string) => ({ name, type });

describe('what a chart draws', () => {
  it('takes the first column as x and the numeric ones as series', () => {
    const data = chartData(
      [column('month', 'BIGINT'), column('delay', 'DOUBLE'), column('flights', 'DECIMAL(10,2)')],
      [
        [1, 6.1, '27004.00'],
        [2, null, '24951.00'],
      ],
    );
    expect(data.x).toEqual(['1', '2']);
    expect(data.xKind).toBe('number');
    expect(data.series).toEqual([
      { name: 'delay', values: [6.1, null] },
      { name: 'flights', values: [27004, 24951] },
    ]);
  });
  it('splits by a name column between', () => {
    const data = chartData(
      [column('day', 'DATE'), column('origin', 'VARCHAR'), column('count', 'BIGINT')],
      [
        ['2013-01-01', 'EWR', 3],
        ['2013-01-01', 'JFK', 4],
        ['2013-01-02', 'JFK', 5],
      ],
    );
    expect(data.x).toEqual(['2013-01-01', '2013-01-02']);
    expect(data.series).toEqual([
      { name: 'EWR', values: [3, null] },
      { name: 'JFK', values: [4, 5] },
    ]);
  });
  it('shows times by the clock of their zone', () => {
    const data = chartData(
      [column('at', 'TIMESTAMP WITH TIME ZONE'), column('n', 'BIGINT')],
      [['2026-03-01 00:00:00+01', 1]],
    );
    expect(data.x).toEqual(['2026-03-01 00:00:00']);
    expect(data.xKind).toBe('time');
  });
});
