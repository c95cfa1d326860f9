import { describe, expect, it } from 'vitest';
import { layout } from './layout';

const sizes = { columnPx: 100, rowPx: 10, lanePx: 4, cardHeight: 8 };
const node = (id: string, band: number) => ({ id, band });

describe('the layout of the way of the data', () => {
  it('puts sources, raw, tables and dashboards in columns', () => {
    const nodes = [node('source', 0), node('raw', 1), node('table', 2), node('second', 2), node('board', 3)];
    const edges = [
      { from: 'source', to: 'raw' },
      { from: 'raw', to: 'table' },
      { from: 'table', to: 'second' },
      { from: 'table', to: 'board' },
    ];
    const columns = Object.fromEntries(layout(nodes, edges, sizes).places.map((each) => [each.id, each.column]));
    expect(columns).toEqual({ source: 0, raw: 1, table: 2, second: 3, board: 4 });
  });
  it('never puts two nodes in one place', () => {
    const nodes = ['a', 'b', 'c', 'd', 'e', 'f'].map((id, index) => node(id, index % 2));
    const places = layout(
      nodes,
      [
        { from: 'a', to: 'b' },
        { from: 'c', to: 'b' },
      ],
      sizes,
    ).places.map((each) => `${each.x},${each.y}`);
    expect(new Set(places).size).toBe(6);
  });
  it('crosses no edges where none need to cross', () => {
    const nodes = [node('a', 0), node('b', 0), node('y', 1), node('z', 1)];
    const { places: placed } = layout(
      nodes,
      [
        { from: 'a', to: 'z' },
        { from: 'b', to: 'y' },
      ],
      sizes,
    );
    const row = (id: string) => placed.find((each) => each.id === id)!.y;
    expect(Math.sign(row('a') - row('b'))).toBe(Math.sign(row('z') - row('y')));
  });
  it('leads an edge over several columns past the cards between', () => {
    const nodes = [node('raw', 1), node('table', 2), node('second', 3), node('board', 4)];
    const edges = [
      { from: 'raw', to: 'table' },
      { from: 'table', to: 'second' },
      { from: 'second', to: 'board' },
      { from: 'table', to: 'board' },
    ];
    const { places, lanes } = layout(nodes, edges, sizes);
    const between = places.find((each) => each.id === 'second')!;
    const lane = lanes.get('table→board')!;
    expect(lane).toHaveLength(1);
    expect(lane[0]!.x).toBe(between.x);
    expect(lane[0]!.y < between.y || lane[0]!.y > between.y + sizes.cardHeight).toBe(true);
    expect([...lanes.keys()]).toEqual(['table→board']);
  });
  it('ends on cycles and on edges to nowhere', () => {
    const nodes = [node('a', 0), node('b', 0)];
    const edges = [
      { from: 'a', to: 'b' },
      { from: 'b', to: 'a' },
      { from: 'a', to: 'gone' },
    ];
    expect(layout(nodes, edges, sizes).places).toHaveLength(2);
    expect(layout([], [], sizes).places).toEqual([]);
  });
});
