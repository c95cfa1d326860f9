import { describe, expect, it } from 'vitest';
import { spansOf } from './spans';

describe('the widths of tiles, of twelve', () => {
  it('let numbers in a row share the width', () => {
    expect(spansOf(['number', 'number', 'number', 'line', 'bar'])).toEqual([4, 4, 4, 6, 6]);
    expect(spansOf(['number', 'number', 'number', 'number', 'number'])).toEqual([3, 3, 3, 3, 3]);
  });
  it('leave no place beside a last odd chart', () => {
    expect(spansOf(['line', 'number', 'table'])).toEqual([12, 12, 12]);
    expect(spansOf(['line', 'bar', 'table'])).toEqual([6, 6, 12]);
    expect(spansOf([])).toEqual([]);
  });
});
