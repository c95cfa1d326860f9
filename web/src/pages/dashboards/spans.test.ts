import { describe, expect, it } from 'vitest';
import { spansOf } from './spans';

describe('the widths of tiles, of twelve', () => {
  it('let numbers in a row share the width', () => {
    expect(spansOf(['number', 'number', 'number', 'line', 'bar'])).toEqual([4, 4, 4, 6, 6]);
    expect(spansOf(['number', 'number', 'number', 'number', 'number'])).toEqual([3, 3, 3, 3, 3]);
    expect(spansOf(['line', 'number', 'table'])).toEqual([6, 12, 6]);
    expect(spansOf([])).toEqual([]);
  });
});
