// How a tile's numbers are written: `format: "0,0.0 %"`, for all columns or by their names.
import type { Cell, ResultColumn, TileLook } from '../../api/types';
import { formatBytes, formatDuration, formatNumber, formatterFor, isNumeric } from '../../design/format';
import { numberOf } from '../../design/number';

export type Write = (value: number) => string;

const kShape = /^([^0]*)0(,0)?(?:\.(0+))?(a?)([\s\S]*)$/;

// "0,0.00": separators and two places; "%" multiplies by a hundred; "a" shortens (1.2M); the rest stands around it.
export function writer(format: string): Write {
  if (format === 'bytes') return formatBytes;
  if (format === 'duration') return formatDuration;
  if (format === 'plain') return String;
  const parts = kShape.exec(format);
  if (!parts) return formatNumber;
  const [, before = '', comma, places = '', short, after = ''] = parts;
  const number = new Intl.NumberFormat('en-US', {
    useGrouping: comma !== undefined,
    minimumFractionDigits: short ? 0 : places.length,
    maximumFractionDigits: places.length,
    ...(short ? { notation: 'compact' } : {}),
  });
  const scale = after.includes('%') ? 100 : 1;
  return (value) => {
    const text = number.format(Math.abs(value) * scale);
    const isNegative = value < 0 && /[1-9]/.test(text);
    return `${isNegative ? '−' : ''}${before}${text}${after}`;
  };
}

function chosenFormat(look: TileLook, column: string): string | undefined {
  return typeof look.format === 'string' ? look.format : look.format?.[column];
}

// Of each column: how its numbers are written, undefined where it has none.
export function writersOf(look: TileLook, columns: ResultColumn[], rows: Cell[][]): (Write | undefined)[] {
  return columns.map((column, index) => {
    if (!isNumeric(column.type)) return undefined;
    const chosen = chosenFormat(look, column.name);
    if (chosen !== undefined) return writer(chosen);
    return formatterFor(
      column.name,
      rows.slice(0, 200).map((row) => numberOf(row[index])),
    );
  });
}

// Only where somebody chose one: charts have rules of their own for the rest.
export const chosenWriter = (look: TileLook, column: string): Write | undefined => {
  const format = chosenFormat(look, column);
  return format === undefined ? undefined : writer(format);
};
