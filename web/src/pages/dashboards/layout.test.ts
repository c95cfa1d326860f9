import { describe, expect, it } from 'vitest';
import type { TileKind } from '../../api/types';
import { widthsOf } from './layout';

const of = (...kinds: (TileKind | [TileKind, number])[]) =>
  widthsOf(
    kinds.map((kind) => (Array.isArray(kind) ? { kind: kind[0], look: { width: kind[1] } } : { kind, look: {} })),
  );

describe('the widths of tiles, of twelve', () => {
  it('let numbers in a row share the width', () => {
    expect(of('number', 'number', 'number', 'line', 'bar')).toEqual([4, 4, 4, 6, 6]);
    expect(of('number', 'number', 'number', 'number', 'number')).toEqual([3, 3, 3, 3, 3]);
  });
  it('leave no place beside a last odd chart', () => {
    expect(of('line', 'number', 'table')).toEqual([12, 12, 12]);
    expect(of('line', 'bar', 'table')).toEqual([6, 6, 12]);
    expect(of()).toEqual([]);
  });
  it('are those of the file where it says so', () => {
    expect(of(['number', 2], 'number', 'line', ['map', 8])).toEqual([2, 12, 12, 8]);
  });
});
