import { describe, expect, it } from 'vitest';
import type { Lineage } from '../../api/types';
import { columnsOf, wayOf } from './lineage';

const pair = (input_column: string, column: string) => ({ input_column, column });
const lineage: Lineage = {
  nodes: [],
  edges: [
    { from: 'raw.a', to: 'x.flights', columns: [pair('delay', 'arr_delay'), pair('tail', 'plane')] },
    { from: 'raw.b', to: 'x.flights', columns: [pair('plane', 'plane')] },
    { from: 'x.flights', to: 'x.by_month', columns: [pair('arr_delay', 'mean'), pair('plane', 'planes')] },
    { from: 'x.by_month', to: 'x.flights', columns: [pair('mean', 'arr_delay')] }, // a circle must not hang it
  ],
};

describe('the way of a column', () => {
  it('goes to its sources and on to what is made of it', () => {
    const way = wayOf(lineage, 'x.flights', 'plane');
    expect([...way.edges].sort()).toEqual(['raw.a→x.flights', 'raw.b→x.flights', 'x.flights→x.by_month']);
    expect([...way.nodes].sort()).toEqual(['raw.a', 'raw.b', 'x.by_month', 'x.flights']);
    expect(way.steps.at(-1)).toMatchObject({ from: 'x.flights', column: 'plane', becomes: 'planes' });
  });
  it('ends in circles', () => {
    expect(wayOf(lineage, 'x.flights', 'arr_delay').edges.size).toBe(3);
  });
  it('starts at any column that flows', () => {
    expect(columnsOf(lineage, 'x.flights')).toEqual(['arr_delay', 'plane']);
    expect(wayOf(lineage, 'x.flights', 'nothing').steps).toEqual([]);
  });
});
