import { describe, expect, it } from 'vitest';
import { tileValues, withMoved, withNewTile, withoutTile, withTile, withTop } from './yaml';

const text = `# The board of the shop.
title:   Shop   # its name
filters: {a: {column: x.y.z}}   # as it is

tiles:
  # the first
  - {number: "SELECT 1", title: 'One'}   # small
  - line: |
      SELECT a, b
      FROM t   -- all
    # said so by Ada
    title: Two

  # the third
  - {bar:   "SELECT 3",  title: Three}
# the end
`;

describe('a change of the YAML', () => {
  it('of one tile leaves every other line as it is', () => {
    const changed = withTile(text, 1, { title: 'Zwei: "2"', width: 8 });
    expect(changed.split('    # said so by Ada')[0]).toBe(text.split('    # said so by Ada')[0]);
    expect(changed).toContain('    # said so by Ada\n    title: \'Zwei: "2"\'\n    width: 8\n\n  # the third\n');
    expect(changed.endsWith('  - {bar:   "SELECT 3",  title: Three}\n# the end\n')).toBe(true);
    expect(tileValues(changed, 1)).toEqual({ line: 'SELECT a, b\nFROM t   -- all\n', title: 'Zwei: "2"', width: 8 });
  });
  it('keeps a tile in one line where it was, its quotes too', () => {
    const changed = withTile(text, 0, { title: 'Eins' });
    expect(changed).toContain(`  # the first\n  - {number: "SELECT 1", title: 'Eins'}`);
    expect(changed).toContain('title:   Shop   # its name\n');
  });
  it('takes away keys without a value', () => {
    expect(tileValues(withTile(text, 2, { title: '' }), 2)).toEqual({ bar: 'SELECT 3' });
  });
  it('makes a block of SQL of several lines', () => {
    const changed = withTile(text, 0, { number: 'SELECT 1\nFROM t' });
    expect(changed).toContain('  - number: |-\n      SELECT 1\n      FROM t\n    title: ');
    expect(tileValues(changed, 0).number).toBe('SELECT 1\nFROM t');
  });
  it('moves tiles with the comments above them', () => {
    const changed = withMoved(text, 2, 0);
    const order = ['# the third', 'SELECT 3', '# the first', 'SELECT 1', 'SELECT a, b', '# the end'];
    const places = order.map((part) => changed.indexOf(part));
    expect(places).toEqual([...places].sort((one, other) => one - other));
    expect(withMoved(changed, 0, 2).replace(/\n+/g, '\n')).toBe(text.replace(/\n+/g, '\n'));
  });
  it('adds and removes', () => {
    const more = withNewTile(text, { text: '# Hello\n\nyou', title: 'T' });
    expect(tileValues(more, 3)).toEqual({ text: '# Hello\n\nyou', title: 'T' });
    expect(withoutTile(more, 3).replace(/\n+/g, '\n')).toBe(text.replace(/\n+/g, '\n'));
    expect(withoutTile(text, 0)).not.toContain('# the first');
    expect(tileValues(withNewTile('title: x\n', { number: 'SELECT 1' }), 0)).toEqual({ number: 'SELECT 1' });
    expect(tileValues(withNewTile('title: x\ntiles: []\n', { number: 'SELECT 1' }), 0)).toEqual({ number: 'SELECT 1' });
    const one = 'title: x\ntiles:\n  - {number: SELECT 1}\n';
    expect(withoutTile(one, 0)).toBe('title: x\ntiles: []\n');
  });
  it('writes the list anew where it stands in one piece', () => {
    const flow = 'title: x # y\ntiles: [{number: SELECT 1}, {bar: SELECT 2}]\n';
    expect(withMoved(flow, 0, 1)).toBe('title: x # y\ntiles: [{bar: SELECT 2}, {number: SELECT 1}]\n');
    expect(withTile(flow, 1, { title: 'B' })).toContain('{bar: SELECT 2, title: B}');
  });
  it('of the title keeps what stands beside it', () => {
    expect(withTop(text, 'title', 'The shop: all')).toContain('title:   "The shop: all"   # its name');
    expect(withTop(text, 'refresh', '30s')).toContain('refresh: 30s');
  });
});
