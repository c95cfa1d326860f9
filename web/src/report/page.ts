// A dashboard on paper: its title, what was chosen, for whom and of which data it is, and its tiles in their grid.
import type { Tile } from '../api/types';
import { light } from '../design/chart/palette';
import { plural } from '../design/format';
import { largeNumberOf } from '../pages/dashboards/draw/number';
import { heightOf, kColumns, kGapPx, kRowPx, widthsOf } from '../pages/dashboards/layout';
import { chart, kChartKinds } from './charts';
import type { ReportInput, ReportPage, ReportTile } from './input';
import { prose, proseHeight } from './prose';
import { box, cleaned, escaped, fitted, kSans, line, moved, textAt, wrapped } from './svg';
import { funnel, kRowPx as kTableRowPx, rowsOf, table } from './tables';

const kWidth = 1152; // of a page, margins included
const kMargin = 36;
const kInner = kWidth - 2 * kMargin;
const kFooter = 28;
const kPdfHeight = Math.round((kWidth * 210) / 297); // A4, lying
const kPngHeightMax = 30_000;
const kGround = '#f6f8f8';
const kTitlePx = 34; // of a tile
const kPad = 16;
// What nobody can scroll grows to so many rows of the grid.
const kGrownMax = 10;
const kStretchMax = 1.3;

const stepPx = kRowPx + kGapPx;
const columnPx = (kInner - (kColumns - 1) * kGapPx) / kColumns;
const widthPx = (columns: number): number => columns * columnPx + (columns - 1) * kGapPx;
const rowsFor = (px: number): number => Math.ceil((px + kGapPx) / stepPx);

interface Placed {
  tile: Tile;
  columns: number;
  rows: number;
  x: number;
  row: number; // of the page's grid
}

// ---- one tile

function wantedRows(tile: Tile, columns: number, given: ReportTile | undefined): number {
  const own = heightOf(tile);
  const inner = widthPx(columns) - 2 * kPad;
  if (tile.kind === 'text') {
    const title = tile.title ? kTitlePx : kPad;
    return Math.max(own, Math.min(kGrownMax, rowsFor(title + proseHeight(tile.look.text ?? '', inner))));
  }
  if ((tile.kind !== 'table' && tile.kind !== 'pivot') || !given?.data) return own;
  const wanted = rowsFor(kTitlePx + 8 + (rowsOf(tile, given.data) + 1) * kTableRowPx + 4);
  return Math.max(own, Math.min(kGrownMax, wanted));
}

function message(text: string, width: number, color: string): string {
  const font = { size: 13 };
  return wrapped(text, font, width, 6)
    .map((one, at) => textAt(0, 16 + at * 19, one, { ...font, color }))
    .join('');
}

function numberContent(tile: Tile, given: ReportTile, width: number): string {
  const { text, compared } = largeNumberOf(tile, given.data!);
  const font = { size: 30, weight: 600 };
  const shown = text ?? 'no value';
  const small = { size: 12, color: light.faint };
  return (
    textAt(0, 32, fitted(shown, font, width), { ...font, color: text === null ? light.faint : light.ink }) +
    (compared ? textAt(0, 52, fitted(compared, small, width), small) : '')
  );
}

let clips = 0;
function clipped(width: number, height: number, radius: number, drawn: string): string {
  clips += 1;
  const shape = `<rect width="${width}" height="${height}" rx="${radius}"/>`;
  return `<clipPath id="clip${clips}">${shape}</clipPath><g clip-path="url(#clip${clips})">${drawn}</g>`;
}

// What stands in a tile, in a box of that size.
function content(input: ReportInput, tile: Tile, given: ReportTile | undefined, width: number, height: number): string {
  if (tile.kind === 'text') return prose(tile.look.text ?? '', width, height);
  if (!given?.data) return message(`This tile failed: ${given?.error ?? 'it was not asked'}`, width, '#b3261e');
  if (tile.kind === 'number') return numberContent(tile, given, width);
  if (given.data.rows.length === 0) return message('No rows.', width, light.faint);
  try {
    if (tile.kind === 'funnel') return funnel(tile, given.data, { width, height });
    if (kChartKinds.includes(tile.kind)) {
      const drawn = chart(tile, given.data, { width, height }, input.shapes);
      return clipped(width, height, 0, drawn);
    }
    return table(tile, given.data, { width, height });
  } catch (error) {
    return message(
      `This tile can’t be drawn: ${error instanceof Error ? error.message : String(error)}`,
      width,
      '#b3261e',
    );
  }
}

// `step` is how far two rows of the grid are apart.
function tileSvg(input: ReportInput, placed: Placed, above: number, step: number): string {
  const { tile } = placed;
  const given = input.tiles.find((one) => one.index === tile.index);
  const [width, height] = [widthPx(placed.columns), placed.rows * step - kGapPx];
  const isFlush = tile.kind === 'table' || tile.kind === 'pivot';
  const isNumber = tile.kind === 'number';
  const title = { size: 14, ...(isNumber ? {} : { weight: 600 }), color: isNumber ? light.faint : light.ink };
  const top = tile.title ? kTitlePx : kPad;
  const inner = isFlush ? width : width - 2 * kPad;
  const ignored = given?.data?.filters_ignored ?? [];
  const note = ignored.length > 0 ? `${ignored.join(', ')} ${ignored.length === 1 ? 'does' : 'do'} not apply here` : '';
  const cut = given?.data?.truncated && !isFlush ? `Only the first ${plural(given.data.rows.length, 'row')}.` : '';
  const notes = [note, cut].filter((one) => one !== '').join(' ');
  const room = height - top - (isFlush ? 1 : 10) - (notes ? 18 : 0);
  const small = { size: 11, color: '#8a5a00' };
  return moved(
    placed.x,
    above + placed.row * step,
    box(0, 0, width, height, { fill: light.surface, stroke: light.line, radius: 8 }) +
      clipped(
        width,
        height,
        8,
        textAt(kPad, 23, fitted(tile.title, title, width - 2 * kPad), title) +
          moved(isFlush ? 0 : kPad, top, content(input, tile, given, inner, room)) +
          (notes ? textAt(kPad, height - 8, fitted(notes, small, width - 2 * kPad), small) : ''),
      ),
  );
}

// ---- where tiles stand, as the page's grid places them: dense, and on paper never across two pages

class Grid {
  private rows: boolean[][] = [];
  private isFree(row: number, column: number, columns: number, rows: number): boolean {
    for (let y = row; y < row + rows; y += 1) {
      for (let x = column; x < column + columns; x += 1) if (this.rows[y]?.[x]) return false;
    }
    return true;
  }
  // The first place that is free, in reading order.
  place(columns: number, rows: number): { row: number; column: number } {
    for (let row = 0; ; row += 1) {
      for (let column = 0; column + columns <= kColumns; column += 1) {
        if (this.isFree(row, column, columns, rows)) return { row, column };
      }
    }
  }
  take(row: number, column: number, columns: number, rows: number): void {
    for (let y = row; y < row + rows; y += 1) {
      this.rows[y] ??= [];
      for (let x = column; x < column + columns; x += 1) this.rows[y]![x] = true;
    }
  }
}

function place(input: ReportInput, roomOf: (page: number) => number): Placed[][] {
  const widths = widthsOf(input.dashboard.tiles);
  const pages: Placed[][] = [[]];
  let grid = new Grid();
  input.dashboard.tiles.forEach((tile, at) => {
    const columns = Math.max(1, Math.min(kColumns, Math.round(widths[at] ?? 6)));
    const given = input.tiles.find((one) => one.index === tile.index);
    const wanted = wantedRows(tile, columns, given);
    let rows = Math.min(wanted, roomOf(pages.length - 1));
    let found = grid.place(columns, rows);
    if (found.row + rows > roomOf(pages.length - 1)) {
      grid = new Grid();
      pages.push([]);
      rows = Math.min(wanted, roomOf(pages.length - 1));
      found = { row: 0, column: 0 };
    }
    grid.take(found.row, found.column, columns, rows);
    pages[pages.length - 1]!.push({
      tile,
      columns,
      rows,
      x: kMargin + found.column * (columnPx + kGapPx),
      row: found.row,
    });
  });
  return pages;
}

// ---- what stands above and below them

interface Head {
  svg: string;
  height: number;
}
function headOf(input: ReportInput): Head {
  const { dashboard } = input;
  const title = { size: 24, weight: 600 };
  const small = { size: 12 };
  let y = kMargin + 22;
  let svg = textAt(kMargin, y, fitted(dashboard.title, title, kInner), { ...title, color: light.ink });
  const add = (text: string, size: number, lines: number) => {
    for (const one of wrapped(text, { size }, kInner, lines)) {
      y += size + 7;
      svg += textAt(kMargin, y, one, { size, color: light.faint });
    }
  };
  if (dashboard.description) add(dashboard.description, 14, 3);
  add(`Made ${input.made_at} for ${input.person}, with what they may see.`, small.size, 2);
  if (input.chosen.length > 0) add(input.chosen.map((one) => `${one.label}: ${one.text}`).join('  ·  '), small.size, 3);
  if (input.data.length > 0) {
    add('Data: ' + input.data.map((one) => `${one.name} ${one.version}`.trim()).join('  ·  '), small.size, 2);
  }
  return { svg, height: y + 16 };
}
function laterHead(input: ReportInput): Head {
  const font = { size: 14, weight: 600 };
  const svg = textAt(kMargin, kMargin + 10, fitted(input.dashboard.title, font, kInner), {
    ...font,
    color: light.faint,
  });
  return { svg, height: kMargin + 26 };
}
function footOf(input: ReportInput, page: number, pages: number, height: number): string {
  const look = { size: 11, color: light.faint };
  const y = height - kMargin + 8;
  const name = `${input.dashboard.use_case}.${input.dashboard.name}  ·  ${input.made_at}  ·  for ${input.person}`;
  return (
    line(kMargin, y - 16, kWidth - kMargin, y - 16, light.line) +
    textAt(kMargin, y, fitted(name, look, kInner - 120), look) +
    (pages > 1 ? textAt(kWidth - kMargin, y, `${page} of ${pages}`, { ...look, anchor: 'end' }) : '')
  );
}

export function pagesOf(input: ReportInput): ReportPage[] {
  const isPdf = input.format === 'pdf';
  const [first, later] = [headOf(input), laterHead(input)];
  const room = (head: Head) => (isPdf ? kPdfHeight : kPngHeightMax) - head.height - kMargin - kFooter;
  const roomOf = (page: number) => Math.max(3, Math.floor((room(page === 0 ? first : later) + kGapPx) / stepPx));
  const pages = place(input, roomOf);
  return pages.map((tiles, at) => {
    const head = at === 0 ? first : later;
    const rows = Math.max(0, ...tiles.map((one) => one.row + one.rows));
    // What is nearly full is filled.
    const step = isPdf ? Math.max(stepPx, Math.min(kStretchMax * stepPx, (room(head) + kGapPx) / rows)) : stepPx;
    const height = isPdf ? kPdfHeight : head.height + rows * stepPx + kFooter + kMargin;
    const svg =
      `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${kWidth}"` +
      ` height="${height}" viewBox="0 0 ${kWidth} ${height}" font-family="${escaped(kSans)}">` +
      box(0, 0, kWidth, height, { fill: isPdf ? light.surface : kGround }) +
      head.svg +
      tiles.map((one) => tileSvg(input, one, head.height, step)).join('') +
      footOf(input, at + 1, pages.length, height) +
      '</svg>';
    return { width: kWidth, height, svg: cleaned(svg) };
  });
}
