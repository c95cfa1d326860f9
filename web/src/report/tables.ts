// Tables, pivots and funnels: as many rows as there is room for, and how many more there are.
import type { Cell, Tile, TileData } from '../api/types';
import { light } from '../design/chart/palette';
import { cellText, formatNumber, isNumeric, plural } from '../design/format';
import { numberOf } from '../design/number';
import { stepsOf } from '../pages/dashboards/draw/steps';
import { writersOf, type Write } from '../pages/dashboards/formats';
import { pivotOf } from '../pages/dashboards/pivot';
import { box, fitted, line, textAt, widthOf, type TextLook } from './svg';

export interface Area {
  width: number;
  height: number;
}
interface Column {
  name: string;
  isRight: boolean;
  isHead: boolean; // names the row
}
interface Table {
  columns: Column[];
  rows: { text: string; isNull: boolean }[][];
  rowsInAll: number;
  isMore: boolean; // there may be rows that nobody asked for
  columnsLeft: number;
}

export const kRowPx = 24;
const kFont = { size: 12 };
const kPad = 10;
const kColumnMin = 44;
const kMeasured = 200; // rows by which columns get their width
const kColumnsMax = 40;
const kSunk = '#f2f5f5';

const textOf = (value: Cell | undefined, write: Write | undefined): { text: string; isNull: boolean } => {
  if (value === null || value === undefined) return { text: 'NULL', isNull: true };
  const number = write ? numberOf(value) : null;
  return { text: number === null || !write ? cellText(value) : write(number), isNull: false };
};

function tableOf(tile: Tile, data: TileData, rowsMax: number): Table {
  const writers = writersOf(tile.look, data.columns, data.rows);
  const columns = data.columns.slice(0, kColumnsMax);
  return {
    columns: columns.map((column) => ({ name: column.name, isRight: isNumeric(column.type), isHead: false })),
    rows: data.rows.slice(0, rowsMax).map((row) => columns.map((_, at) => textOf(row[at], writers[at]))),
    rowsInAll: data.rows.length,
    isMore: data.truncated ?? false,
    columnsLeft: data.columns.length - columns.length,
  };
}

function pivotTable(tile: Tile, data: TileData, rowsMax: number): Table {
  const last = data.columns.length - 1;
  if (last < 2) throw new Error('A pivot needs a row’s name, a column’s name and a value.');
  const pivot = pivotOf(data.columns, data.rows);
  const write = writersOf(tile.look, data.columns, data.rows)[last] ?? formatNumber;
  const shown = pivot.columns.slice(0, kColumnsMax);
  return {
    columns: [
      ...pivot.heads.map((name) => ({ name, isRight: false, isHead: true })),
      ...shown.map((name) => ({ name, isRight: true, isHead: false })),
    ],
    rows: pivot.rows.slice(0, rowsMax).map((row) => [
      ...row.names.map((text) => ({ text, isNull: false })),
      ...shown.map((_, at) => {
        const place = row.cells[at];
        return place === null || place === undefined
          ? { text: '', isNull: false }
          : textOf(data.rows[place]?.[last], write);
      }),
    ]),
    rowsInAll: pivot.rows.length,
    isMore: data.truncated ?? false,
    columnsLeft: pivot.columns.length - shown.length,
  };
}

// Of how many rows it is, without laying it out.
export const rowsOf = (tile: Tile, data: TileData): number =>
  tile.kind === 'pivot' && data.columns.length > 2 ? pivotOf(data.columns, data.rows).rows.length : data.rows.length;

// As wide as their texts want, the widest ones narrowed until all fit; those for which there is no room are left out.
function widthsOf(table: Table, width: number): number[] {
  const wanted = table.columns.map((column, at) => {
    const texts = table.rows.slice(0, kMeasured).map((row) => row[at]!.text.slice(0, 200));
    const head = widthOf(column.name, { ...kFont, weight: 600 });
    return 2 * kPad + Math.max(head, ...texts.map((text) => widthOf(text, kFont)));
  });
  const count = Math.max(1, Math.min(wanted.length, Math.floor(width / kColumnMin)));
  const kept = wanted.slice(0, count);
  const sum = () => kept.reduce((total, one) => total + one, 0);
  if (sum() <= width) {
    const spare = (width - sum()) / count;
    return kept.map((one) => one + spare);
  }
  // The most that a column may have so that all fit.
  let least = kColumnMin;
  let most = width;
  for (let step = 0; step < 30; step += 1) {
    const middle = (least + most) / 2;
    const total = kept.reduce((all, one) => all + Math.min(one, middle), 0);
    if (total <= width) least = middle;
    else most = middle;
  }
  return kept.map((one) => Math.min(one, least));
}

function cell(x: number, y: number, width: number, column: Column, text: string, look: TextLook): string {
  const room = width - 2 * kPad;
  const shown = fitted(text, look, room);
  return column.isRight
    ? textAt(x + width - kPad, y, shown, { ...look, anchor: 'end' })
    : textAt(x + kPad, y, shown, look);
}

export function table(tile: Tile, data: TileData, area: Area): string {
  const rowsMax = Math.max(1, Math.floor((area.height - kRowPx) / kRowPx));
  const made = tile.kind === 'pivot' ? pivotTable(tile, data, rowsMax) : tableOf(tile, data, rowsMax);
  const widths = widthsOf(made, area.width);
  const columnsLeft = made.columnsLeft + made.columns.length - widths.length;
  // The last line tells what is missing.
  const isCut = made.rowsInAll > rowsMax || made.isMore || columnsLeft > 0;
  const rows = isCut ? made.rows.slice(0, rowsMax - 1) : made.rows;
  let drawn = box(0, 0, area.width, kRowPx, { fill: kSunk });
  let x = 0;
  widths.forEach((width, at) => {
    const column = made.columns[at]!;
    drawn += cell(x, 16, width, column, column.name, { ...kFont, weight: 600, color: light.faint });
    rows.forEach((row, index) => {
      const { text, isNull } = row[at]!;
      const color = isNull ? light.faint : light.ink;
      const look = { ...kFont, color, italic: isNull, ...(column.isHead ? { weight: 600 } : {}) };
      drawn += cell(x, (index + 1) * kRowPx + 16, width, column, text, look);
    });
    x += width;
  });
  rows.forEach((_, index) => (drawn += line(0, (index + 2) * kRowPx, area.width, (index + 2) * kRowPx, light.line)));
  if (!isCut) return drawn;
  const left = made.rowsInAll - rows.length;
  const notes = [
    left > 0 || made.isMore ? `${plural(left, 'more row')}${made.isMore ? ', or more than that' : ''}` : '',
    columnsLeft > 0 ? plural(columnsLeft, 'more column') : '',
  ].filter((note) => note !== '');
  const y = (rows.length + 1) * kRowPx + 16;
  return drawn + textAt(kPad, y, `… ${notes.join(', ')}`, { ...kFont, color: light.faint });
}

export function funnel(tile: Tile, data: TileData, area: Area): string {
  const steps = stepsOf(tile, data);
  const height = Math.max(30, Math.min(56, area.height / steps.length - 8));
  const shown = steps.slice(0, Math.max(1, Math.floor(area.height / (height + 8))));
  const isCut = shown.length < steps.length;
  const rows = isCut ? shown.slice(0, -1) : shown;
  const [left, right] = [Math.min(160, area.width / 4), Math.min(200, area.width / 3)];
  const middle = area.width - left - right - 24;
  const top = Math.max(0, (area.height - shown.length * (height + 8)) / 2);
  let drawn = '';
  rows.forEach((step, index) => {
    const y = top + index * (height + 8);
    const width = Math.max(2, middle * step.share);
    const base = y + height / 2;
    drawn += textAt(0, base + 4, fitted(step.name, { size: 13 }, left), { size: 13, color: light.ink });
    drawn += box(left + 12 + (middle - width) / 2, y, width, height, { fill: light.series[0]!, radius: 4 });
    const x = left + middle + 24;
    drawn += textAt(x, step.lost ? base - 2 : base + 4, step.count, { size: 13, weight: 600, color: light.ink });
    const lost = { size: 11, color: light.faint };
    drawn += textAt(x, base + 13, fitted(step.lost, lost, right), lost);
  });
  if (!isCut) return drawn;
  const note = `… ${plural(steps.length - rows.length, 'more step')}`;
  return drawn + textAt(0, top + rows.length * (height + 8) + 16, note, { ...kFont, color: light.faint });
}
