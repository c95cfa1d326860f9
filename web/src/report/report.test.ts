import { describe, expect, it } from 'vitest';
import type { Dashboard, ResultColumn, Tile, TileData } from '../api/types';
import { writtenNumber } from './es2015';
import type { ReportInput } from './input';
import { pagesOf } from './page';
import { fitted, wrapped } from './svg';

function tile(index: number, kind: Tile['kind'], title: string, look: Tile['look'] = {}): Tile {
  return { index, kind, title, sql: 's', description: '', look, reads: [], dimensions: [], filters: [], line: 1 };
}
function data(columns: [string, string][], rows: TileData['rows']): TileData {
  const named: ResultColumn[] = columns.map(([name, type]) => ({ name, type }));
  return {
    columns: named,
    rows,
    reads: [],
    filters_applied: [],
    filters_ignored: [],
    sql: '',
    time_zone: 'UTC',
    from_cache: false,
  };
}
function report(tiles: Tile[], given: ReportInput['tiles'], format: 'png' | 'pdf' = 'png'): ReportInput {
  const dashboard = { use_case: 'd', name: 'n', title: 'A <title>', description: '', tiles } as unknown as Dashboard;
  return {
    format,
    dashboard,
    tiles: given,
    shapes: {},
    chosen: [],
    made_at: '2026-11-23 04:10 UTC',
    person: 'alice',
    data: [],
  };
}
const textsOf = (svg: string): string[] => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((found) => found[1]!);

describe('a report', () => {
  it('says where a tile fails, has no rows or is cut', () => {
    const rows = Array.from({ length: 100 }, (_, at) => [at, `name ${at}`]);
    const columns: [string, string][] = [
      ['id', 'BIGINT'],
      ['name', 'VARCHAR'],
    ];
    const tiles = [tile(0, 'bar', 'Broken'), tile(1, 'table', 'Empty'), tile(2, 'table', 'Long')];
    const [page] = pagesOf(
      report(tiles, [
        { index: 0, error: 'table:Read is denied' },
        { index: 1, data: data(columns, []) },
        { index: 2, data: data(columns, rows) },
      ]),
    );
    const texts = textsOf(page!.svg);
    expect(texts).toContain('This tile failed: table:Read is denied');
    expect(texts).toContain('No rows.');
    const shown = texts.filter((text) => text.startsWith('name ')).length;
    expect(texts).toContain(`… ${100 - shown} more rows`);
    expect(shown).toBeGreaterThan(20);
  });
});

describe('hostile texts', () => {
  it('are texts in every kind of tile', () => {
    const hostile = `</text><script>alert(1)</script><image href="file:///etc/passwd"/>'"&\u0001`;
    const kinds: Tile['kind'][] = ['number', 'line', 'bar', 'scatter', 'heatmap', 'funnel', 'table', 'text', 'map'];
    const tiles = kinds.map((kind, at) => tile(at, kind, hostile, kind === 'text' ? { text: hostile } : {}));
    const xy = data(
      [
        [hostile, 'VARCHAR'],
        ['n', 'BIGINT'],
      ],
      [
        [hostile, 1],
        ['b', 2],
      ],
    );
    const xyz = data(
      [
        ['a', 'VARCHAR'],
        ['b', 'VARCHAR'],
        ['n', 'BIGINT'],
      ],
      [[hostile, hostile, 1]],
    );
    const points = data(
      [
        ['a', 'DOUBLE'],
        ['b', 'DOUBLE'],
        [hostile, 'VARCHAR'],
      ],
      [[1, 2, hostile]],
    );
    const pages = pagesOf(
      report(
        tiles,
        kinds.map((kind, index) => ({ index, data: kind === 'heatmap' ? xyz : kind === 'scatter' ? points : xy })),
      ),
    );
    const svg = pages.map((page) => page.svg).join('');
    expect(svg.includes('\u0001')).toBe(false);
    const elements = new Set([...svg.matchAll(/<([a-zA-Z]+)/g)].map((found) => found[1]));
    const known = [
      'svg',
      'rect',
      'path',
      'text',
      'g',
      'clipPath',
      'defs',
      'linearGradient',
      'stop',
      'polygon',
      'polyline',
      'circle',
    ];
    expect([...elements].filter((name) => !known.includes(name!))).toEqual([]);
  });

  it('never parts a tile between two pages', () => {
    const tiles = Array.from({ length: 9 }, (_, at) => tile(at, 'number', `n${at}`, { width: 6, height: 4 }));
    const one = data([['n', 'BIGINT']], [[1]]);
    const pages = pagesOf(
      report(
        tiles,
        tiles.map((_, index) => ({ index, data: one })),
        'pdf',
      ),
    );
    expect(pages.length).toBe(3);
    expect(pages.map((page) => textsOf(page.svg).filter((text) => /^n\d$/.test(text)))).toEqual([
      ['n0', 'n1', 'n2', 'n3'],
      ['n4', 'n5', 'n6', 'n7'],
      ['n8'],
    ]);
    expect(textsOf(pages[2]!.svg)).toContain('3 of 3');
  });
});

describe('a text tile', () => {
  it('keeps blanks around what stands out, rows of tables, and entities as marks', () => {
    const text = '**All** of it &lt;b&gt;\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\n```\n  code\n```';
    const [page] = pagesOf(report([tile(0, 'text', 'About', { text })], []));
    const texts = textsOf(page!.svg);
    expect(texts).toContain('All');
    expect(texts).toContain('\u00a0of\u00a0');
    expect(texts).toContain('&lt;b&gt;');
    expect(texts.join('|')).toContain('a\u00a0|·\u00a0|b');
    expect(texts.join('|')).not.toContain('---');
    expect(texts).toContain('\u00a0\u00a0code');
  });
});

describe('texts', () => {
  it('are cut and wrapped to a width', () => {
    const font = { size: 10 };
    expect(fitted('abcdefghij', font, 100)).toBe('abcdefghij');
    expect(fitted('abcdefghij', font, 30)).toBe('abcd…');
    expect(wrapped('one two three four', font, 60, 2)).toEqual(['one two', 'three four']);
    expect(wrapped('one two three four five', font, 60, 2)).toEqual(['one two', 'three fou…']);
  });
});

describe('numbers', () => {
  it('are written as browsers write them', () => {
    const options: Intl.NumberFormatOptions[] = [
      { maximumFractionDigits: 0 },
      { maximumFractionDigits: 2 },
      { minimumFractionDigits: 2, maximumFractionDigits: 2, useGrouping: false },
      { notation: 'compact', maximumSignificantDigits: 3 },
      { style: 'percent', maximumFractionDigits: 1 },
      { useGrouping: true, notation: 'compact', minimumFractionDigits: 0, maximumFractionDigits: 1 },
    ];
    const values = [0, 1, -1, 12.25, 999, 999.9, 1000, 1234.567, -9876543.21, 0.07, 12345678, 5e-7, 1e12, 999999];
    for (const option of options) {
      const real = new Intl.NumberFormat('en-US', option);
      for (const value of values) {
        const wanted = real.format(value).replace(/^-(?=[0.]*%?$)/, '');
        expect(writtenNumber(value, option as Parameters<typeof writtenNumber>[1]), `${value}`).toBe(wanted);
      }
    }
  });
});
