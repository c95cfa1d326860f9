// A text tile: the Markdown that is read without a click (headings, lists, quotes, code, emphasis) as lines of text.
// Links are their texts; HTML is the text that it is.
import { light } from '../design/chart/palette';
import { fitted, textAt, widthOf, type TextLook } from './svg';

// The cells of a table's row are parted by dots; the line below its head is none.
const rowOf = (row: string): string =>
  row
    .trim()
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => cell.trim())
    .join('  ·  ');
const kEntities: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
const plainText = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => kEntities[entity] ?? entity);

interface Block {
  text: string;
  size: number;
  weight: number;
  indent: number;
  mark: string; // in front: a bullet, a number
  gap: number; // above
  mono: boolean;
  faint: boolean;
}
interface Piece {
  text: string;
  look: TextLook;
}

const kLinePx = 20;
const base = { size: 13, weight: 400, indent: 0, mark: '', gap: 8, mono: false, faint: false };

function blockOf(row: string): Block | null {
  const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(row);
  if (heading) return { ...base, text: heading[2]!, size: heading[1]!.length === 1 ? 16 : 14, weight: 600, gap: 10 };
  const item = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/.exec(row);
  if (item) {
    const mark = /\d/.test(item[2]!) ? item[2]! : '•';
    return { ...base, text: item[3]!, indent: 22 + 11 * Math.min(6, item[1]!.length), mark, gap: 2 };
  }
  const quote = /^>\s?(.*)$/.exec(row);
  if (quote) return { ...base, text: quote[1]!, indent: 14, faint: true };
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(row) || /^\s*\|(\s*:?-+:?\s*\|)+\s*$/.test(row)) return null;
  if (/^\s*\|.*\|\s*$/.test(row)) return { ...base, text: rowOf(row), gap: 2 };
  return { ...base, text: row };
}

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let isOpen = false; // the last block takes the next plain row
  let isCode = false;
  for (const row of markdown.split(/\r?\n/)) {
    if (/^\s*(```|~~~)/.test(row)) {
      isCode = !isCode;
      isOpen = false;
      continue;
    }
    if (isCode) {
      blocks.push({
        ...base,
        text: row.replace(/\t/g, '    ').replace(/ /g, '\u00a0'),
        mono: true,
        size: 12,
        gap: 0,
        indent: 8,
      });
      continue;
    }
    if (row.trim() === '') {
      isOpen = false;
      continue;
    }
    const block = blockOf(row);
    if (!block) continue;
    const last = blocks[blocks.length - 1];
    const isPlain = block.text === row;
    if (isOpen && isPlain && last) last.text += ` ${row.trim()}`;
    else blocks.push(block);
    isOpen = block.size === base.size;
  }
  return blocks;
}

// **strong**, *slanted*, `code` and [text](address), none of them inside of another.
const kSpan = /\*\*([^*]+)\*\*|__([^_]+)__|\*([^*\s][^*]*)\*|`([^`]+)`|!?\[([^\]]*)\]\([^)]*\)/;
function piecesOf(block: Block): Piece[] {
  const plain: TextLook = {
    size: block.size,
    weight: block.weight,
    mono: block.mono,
    color: block.faint ? light.faint : light.ink,
  };
  if (block.mono) return [{ text: block.text, look: plain }];
  const pieces: Piece[] = [];
  let rest = block.text;
  for (let found = kSpan.exec(rest); found; found = kSpan.exec(rest)) {
    if (found.index > 0) pieces.push({ text: plainText(rest.slice(0, found.index)), look: plain });
    const strong = found[1] ?? found[2];
    if (strong !== undefined) pieces.push({ text: strong, look: { ...plain, weight: 600 } });
    else if (found[3] !== undefined) pieces.push({ text: found[3], look: { ...plain, italic: true } });
    else if (found[4] !== undefined)
      pieces.push({ text: found[4], look: { ...plain, mono: true, size: plain.size - 1 } });
    else pieces.push({ text: found[5] ?? '', look: { ...plain, color: light.series[0]! } });
    rest = rest.slice(found.index + found[0].length);
  }
  if (rest) pieces.push({ text: plainText(rest), look: plain });
  return pieces;
}

interface Line {
  pieces: { x: number; text: string; look: TextLook }[];
  y: number;
}

function linesOf(markdown: string, width: number): Line[] {
  const lines: Line[] = [];
  let y = 0;
  blocksOf(markdown).forEach((block, index) => {
    y += (index > 0 ? block.gap : 0) + kLinePx;
    let current: Line = { pieces: [], y };
    let x = block.indent;
    if (block.mark)
      current.pieces.push({ x: block.indent - 16, text: block.mark, look: { size: 13, color: light.faint } });
    const add = (text: string, look: TextLook) => {
      const wide = widthOf(text, look);
      if (x > block.indent && x + wide > width) {
        lines.push(current);
        y += kLinePx;
        current = { pieces: [], y };
        x = block.indent;
      }
      const shown = fitted(text, look, width - block.indent);
      current.pieces.push({ x, text: shown, look });
      x += widthOf(shown, look);
    };
    for (const piece of piecesOf(block)) {
      if (block.mono) add(piece.text, piece.look);
      else (piece.text.match(/\s*\S+\s*|\s+/g) ?? []).forEach((word) => add(word, piece.look));
    }
    lines.push(current);
  });
  return lines;
}

export const proseHeight = (markdown: string, width: number): number => {
  const lines = linesOf(markdown, width);
  return lines.length === 0 ? 0 : lines[lines.length - 1]!.y + 8;
};

export function prose(markdown: string, width: number, height: number): string {
  const lines = linesOf(markdown, width);
  const fits = lines.filter((line) => line.y + 6 <= height);
  const isCut = fits.length < lines.length;
  const shown = isCut ? fits.slice(0, -1) : fits;
  const drawn = shown.map((line) =>
    line.pieces.map((piece) => textAt(piece.x, line.y - 5, piece.text, piece.look)).join(''),
  );
  const y = fits[fits.length - 1]?.y ?? kLinePx;
  return drawn.join('') + (isCut ? textAt(0, y - 5, '…', { size: 13, color: light.faint }) : '');
}
