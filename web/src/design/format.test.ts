import { describe, expect, it } from 'vitest';
import * as format from './format';

const now = Date.parse('2026-01-02T12:00:00Z');

describe('the numbers of a column', () => {
  it('are written alike', () => {
    const written = format.formatterFor('delay', [21.921, 15.8, null, -9.93]);
    expect([21.921, 15.8, -9.93].map(written)).toEqual(['21.92', '15.80', '-9.93']);
    expect(format.formatterFor('share', [0.25, 0.125])(0.25)).toBe('0.2500');
  });
  it('have separators where they count something', () => {
    expect(format.formatterFor('flights', [11262, 6])(11262)).toBe('11,262');
    expect(format.formatterFor('flights', [11262, 6])(6)).toBe('6');
    expect(format.formatterFor('year', [2013, 20130])(20130)).toBe('20130');
    expect(format.formatterFor('customer_id', [112620])(112620)).toBe('112620');
    expect(format.formatterFor('month_start', [2013])(2013)).toBe('2013');
  });
});

describe('numbers', () => {
  it('have thousands separators', () => {
    expect(format.formatCount(336776)).toBe('336,776');
    expect(format.formatCount(null)).toBe('–');
    expect(format.formatCount(-1)).toBe('–');
  });
  it('keep about four digits', () => {
    expect(format.formatNumber(6.895376757)).toBe('6.9');
    expect(format.formatNumber(1234.56)).toBe('1,235');
    expect(format.formatNumber(0.001234)).toBe('0.001234');
    expect(format.formatShort(336776)).toBe('337K');
  });
  it('have units', () => {
    expect(format.formatBytes(512)).toBe('512 B');
    expect(format.formatBytes(5 * 1024 * 1024)).toBe('5.0 MiB');
    expect(format.formatDuration(0.0123)).toBe('12 ms');
    expect(format.formatDuration(75)).toBe('1 min 15 s');
    expect(format.formatEvery(3600)).toBe('every 1 h');
    expect(format.plural(1, 'row')).toBe('1 row');
    expect(format.plural(2000, 'row')).toBe('2,000 rows');
  });
});

describe('times', () => {
  it('are relative', () => {
    expect(format.formatAgo('2026-01-02T11:58:30Z', now)).toBe('1 min ago');
    expect(format.formatAgo('2026-01-02T13:00:00Z', now)).toBe('in 1 h');
    expect(format.formatAgo('2025-12-23T12:00:00Z', now)).toBe('10 d ago');
    expect(format.formatAgo(null, now)).toBe('–');
  });
  it('last until now while they go on', () => {
    expect(format.secondsBetween('2026-01-02T11:59:50Z', null, now)).toBe(10);
    expect(format.secondsBetween(null, null, now)).toBeNull();
  });
});

describe('cells', () => {
  it('know the numeric types', () => {
    for (const type of ['BIGINT', 'INTEGER', 'DOUBLE', 'DECIMAL(18,3)', 'UBIGINT'])
      expect(format.isNumeric(type)).toBe(true);
    for (const type of ['VARCHAR', 'INTERVAL', 'DATE', 'INTEGER[]']) expect(format.isNumeric(type)).toBe(false);
  });
  it('go into CSV with quotes where they are needed', () => {
    expect(
      format.toCsv(
        ['a', 'b'],
        [
          [1, 'x,"y"'],
          [null, true],
        ],
      ),
    ).toBe('a,b\n1,"x,""y"""\n,true\n');
  });
  it('run nothing in a spreadsheet', () => {
    const bad = ['=1+1', '+A1', '-2+3', '@SUM(A1)', '\t=1', '\r=1'];
    for (const text of bad) expect(format.toCsv([], [[text]]).split('\n')[1]).toMatch(/^"?'/);
    expect(format.toCsv(['=cmd'], [[-5, '-5.25', '+1e9', 'a=b']])).toBe("'=cmd\n-5,-5.25,+1e9,a=b\n");
  });
});
