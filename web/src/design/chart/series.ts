// From the rows of a result to what a chart draws: the first column is x; the others are lines or bars.
import type { Cell, ResultColumn } from '../../api/types';
import { cellText, isNumeric, isTemporal } from '../format';
import { numberOf } from '../number';

export interface Series {
  name: string;
  values: (number | null)[];
}
export interface ChartData {
  x: string[];
  xName: string;
  xKind: 'time' | 'number' | 'name';
  series: Series[];
}

// A time as the clock on the wall there says it: the axis is drawn in the zone that the rows were asked for in.
const kOffset = /[+-]\d\d(:\d\d)?$/;
export const xText = (value: Cell | undefined, type: string): string =>
  /TIME ZONE/i.test(type) ? cellText(value).replace(kOffset, '') : cellText(value);

// "x, name, value" with a name column between is split into one series a name.
function split(rows: Cell[][], type: string, names: number, values: number): Series[] {
  const xs = [...new Set(rows.map((row) => xText(row[0], type)))];
  const at = new Map(xs.map((x, index) => [x, index]));
  const byName = new Map<string, (number | null)[]>();
  for (const row of rows) {
    const name = cellText(row[names]);
    const series = byName.get(name) ?? Array.from({ length: xs.length }, () => null);
    series[at.get(xText(row[0], type))!] = numberOf(row[values]);
    byName.set(name, series);
  }
  return [...byName].map(([name, series]) => ({ name, values: series }));
}

export function chartData(columns: ResultColumn[], rows: Cell[][], ys?: number[]): ChartData {
  const first = columns[0];
  const xType = first?.type ?? '';
  const xKind = !first ? 'name' : isTemporal(first.type) ? 'time' : isNumeric(first.type) ? 'number' : 'name';
  const base = { xName: first?.name ?? '', xKind } as const;
  const second = columns[1];
  const isLong = !ys && columns.length === 3 && second && !isNumeric(second.type) && isNumeric(columns[2]!.type);
  if (isLong) {
    return { ...base, x: [...new Set(rows.map((row) => xText(row[0], xType)))], series: split(rows, xType, 1, 2) };
  }
  const wanted = ys ?? columns.map((_, index) => index).filter((index) => index > 0 && isNumeric(columns[index]!.type));
  return {
    ...base,
    x: rows.map((row) => xText(row[0], xType)),
    series: wanted.map((index) => ({ name: columns[index]!.name, values: rows.map((row) => numberOf(row[index])) })),
  };
}
