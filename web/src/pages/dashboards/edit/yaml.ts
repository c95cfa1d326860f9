// Changes of a dashboard's YAML that leave the rest of the text as it is, byte by byte: comments, order of keys, quotes
// and spaces. Only the tile that was changed is written anew (its keys stay in their order, comments between them too).
// Where tiles are written `tiles: [...]` in one piece, that list is written anew.
import {
  Document,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type Pair,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

export type TileValues = Record<string, unknown>;

const kStyle = { lineWidth: 0, flowCollectionPadding: false } as const;

interface Segment {
  start: number; // of the comments above the tile, or of its "- "
  dash: number;
  end: number;
}
interface Tiles {
  document: Document.Parsed;
  list: YAMLSeq | null;
  segments: Segment[] | null; // null: the list cannot be cut line by line
}

const lineStart = (text: string, at: number): number => text.lastIndexOf('\n', at - 1) + 1;

// Comment lines directly above belong to what follows.
function aboveOf(text: string, start: number, floor: number): number {
  let above = start;
  while (above > floor) {
    const line = lineStart(text, above - 1);
    if (line < floor || !/^\s*#/.test(text.slice(line, above))) break;
    above = line;
  }
  return above;
}

function segmentsOf(text: string, list: YAMLSeq): Segment[] | null {
  if (list.flow) return null;
  const segments: Segment[] = [];
  for (const item of list.items) {
    const range = (item as { range?: [number, number, number] }).range;
    if (!range) return null;
    const dash = lineStart(text, range[0]);
    if (!/^ *- +$/.test(text.slice(dash, range[0]))) return null;
    const floor = segments.at(-1)?.end ?? 0;
    const start = aboveOf(text, dash, floor);
    const last = segments.at(-1);
    if (last) last.end = start;
    let end = range[1];
    while (end < text.length && text[end - 1] !== '\n') end += 1; // to the end of its last line
    segments.push({ start, dash, end });
  }
  return segments;
}

function read(text: string): Tiles {
  const document = parseDocument(text);
  const list = document.get('tiles', true);
  if (!isSeq(list)) return { document, list: null, segments: null };
  return { document, list, segments: segmentsOf(text, list) };
}

const whole = (document: Document): string => document.toString(kStyle);

// A text as people would write it: several lines as a block.
function scalarOf(document: Document, value: unknown): unknown {
  const node = document.createNode(value);
  if (isScalar(node) && typeof value === 'string' && value.includes('\n')) (node as Scalar).type = 'BLOCK_LITERAL';
  return node;
}

function change(document: Document, tile: YAMLMap, changes: TileValues): void {
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || value === null || value === '') {
      tile.delete(key);
      continue;
    }
    const pair = tile.items.find((one: Pair) => isScalar(one.key) && one.key.value === key);
    if (typeof value === 'string' && value.includes('\n')) tile.flow = false; // a block needs lines of its own
    if (pair && isScalar(pair.value) && !(typeof value === 'string' && value.includes('\n'))) {
      pair.value.value = value;
      if (pair.value.type === 'BLOCK_LITERAL' || pair.value.type === 'BLOCK_FOLDED') delete pair.value.type;
      delete (pair.value as Scalar & { source?: string }).source;
    } else {
      tile.set(key, scalarOf(document, value));
    }
  }
}

function written(tile: YAMLMap, indent: string): string {
  const document = new Document();
  const { commentBefore, spaceBefore, comment } = tile;
  tile.commentBefore = undefined;
  tile.spaceBefore = undefined;
  document.contents = tile as unknown as typeof document.contents;
  const lines = document.toString(kStyle).trimEnd().split('\n');
  Object.assign(tile, { commentBefore, spaceBefore, comment });
  return (
    lines.map((line, at) => (at === 0 ? `${indent}- ${line}` : line === '' ? '' : `${indent}  ${line}`)).join('\n') +
    '\n'
  );
}

const indentAt = (text: string, dash: number): string => /^ */.exec(text.slice(dash))![0];

export function withTile(text: string, index: number, changes: TileValues): string {
  const { document, list, segments } = read(text);
  const tile = list?.items[index];
  if (!isMap(tile)) return text;
  change(document, tile, changes);
  const segment = segments?.[index];
  if (!segment) return whole(document);
  const after = text.slice(segment.dash, segment.end);
  const blank = /\n(\s*\n)*$/.exec(after)?.[0].slice(1) ?? '';
  return text.slice(0, segment.dash) + written(tile, indentAt(text, segment.dash)) + blank + text.slice(segment.end);
}

export function withNewTile(text: string, values: TileValues): string {
  const { document, list, segments } = read(text);
  const tile = document.createNode({}) as YAMLMap;
  change(document, tile, values);
  const last = segments?.at(-1);
  if (last) {
    const body = text.slice(0, last.end).replace(/\n*$/, '\n');
    return body + written(tile, indentAt(text, last.dash)) + text.slice(last.end);
  }
  if (list && list.items.length > 0) {
    list.items.push(tile);
    return whole(document);
  }
  const pair = (document.contents as YAMLMap | null)?.items.find(
    (one: Pair) => isScalar(one.key) && one.key.value === 'tiles',
  );
  const key = pair?.key as Scalar | undefined;
  const start = key?.range?.[0];
  if (start === undefined) return text.replace(/\n*$/, '\n') + 'tiles:\n' + written(tile, '  ');
  const end = text.indexOf('\n', start) < 0 ? text.length : text.indexOf('\n', start) + 1;
  return text.slice(0, start) + 'tiles:\n' + written(tile, '  ') + text.slice(end);
}

// As lines: the last one ends with a line's end too.
const lines = (text: string): string => (text.endsWith('\n') ? text : text + '\n');

export function withoutTile(text: string, index: number): string {
  const { document, list, segments } = read(text);
  const segment = segments?.[index];
  if (!list || index >= list.items.length) return text;
  if (!segment || list.items.length === 1) {
    list.items.splice(index, 1);
    if (list.items.length === 0) list.flow = true;
    return whole(document);
  }
  return text.slice(0, segment.start) + text.slice(segment.end);
}

export function withMoved(text: string, from: number, to: number): string {
  const { document, list, segments } = read(text);
  if (!list || from === to || !list.items[from] || !list.items[to]) return text;
  if (!segments) {
    list.items.splice(to, 0, ...list.items.splice(from, 1));
    return whole(document);
  }
  const parts = segments.map(({ start, end }) => lines(text.slice(start, end)));
  parts.splice(to, 0, ...parts.splice(from, 1));
  return text.slice(0, segments[0]!.start) + parts.join('') + text.slice(segments.at(-1)!.end);
}

// A key of the dashboard itself: title, description, refresh ...
export function withTop(text: string, key: string, value: string): string {
  const document = parseDocument(text);
  const found = document.get(key, true);
  if (isScalar(found) && found.range && value !== '') {
    const one = new Document(value);
    const [start, end] = found.range;
    return text.slice(0, start) + one.toString(kStyle).trimEnd() + text.slice(end);
  }
  if (value === '') document.delete(key);
  else document.set(key, value);
  return whole(document);
}

// What a tile's YAML says, for the form.
export function tileValues(text: string, index: number): TileValues {
  const list = parseDocument(text).get('tiles', true);
  const tile = isSeq(list) ? list.items[index] : undefined;
  return isMap(tile) ? (tile.toJSON() as TileValues) : {};
}
