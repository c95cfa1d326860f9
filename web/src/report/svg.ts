// Texts and shapes as SVG. Every text of people's data goes through `escaped`, so that nothing in it is ever markup.

export interface Font {
  size: number;
  weight?: number;
  mono?: boolean;
}

// Given by the program that draws: how wide a text is, in pixels.
type Measure = (text: string, size: number, weight: number, family: string) => number;
const measureText: Measure =
  (globalThis as { tarnMeasure?: Measure }).tarnMeasure ?? ((text, size) => text.length * size * 0.56);

export const kSans = 'Inter, DejaVu Sans, sans-serif';
export const kMono = 'DejaVu Sans Mono, monospace';
const kLineMax = 2000; // letters that are looked at to fill a line

const widths = new Map<string, number>();
const kWidthsMax = 20_000;
export function widthOf(text: string, font: Font): number {
  const key = `${font.size}/${font.weight ?? 400}/${font.mono ? 1 : 0}/${text}`;
  const known = widths.get(key);
  if (known !== undefined) return known;
  const width = measureText(text, font.size, font.weight ?? 400, font.mono ? kMono : kSans);
  if (widths.size < kWidthsMax) widths.set(key, width);
  return width;
}

const kMarks: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
// What XML can't hold becomes the sign for what can't be shown.
// eslint-disable-next-line no-control-regex
const kNotInXml = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;
export const cleaned = (text: string): string => text.replace(kNotInXml, '\ufffd');
export const escaped = (text: string): string => cleaned(text).replace(/[&<>"']/g, (mark) => kMarks[mark]!);

// One line: a line's end in a value is a blank.
export const oneLine = (text: string): string => text.replace(/[\t\n\v\f\r ]+/g, ' ');

// The text, or as much of its beginning as fits with a sign that something is missing.
export function fitted(text: string, font: Font, width: number): string {
  const line = oneLine(text).slice(0, kLineMax);
  if (widthOf(line, font) <= width) return line;
  let fits = 0;
  let fails = line.length;
  while (fails - fits > 1) {
    const middle = (fits + fails) >> 1;
    if (widthOf(line.slice(0, middle) + '…', font) <= width) fits = middle;
    else fails = middle;
  }
  return line.slice(0, fits).replace(/\s+$/, '') + '…';
}

// Lines no wider than that; a word that is wider is cut.
export function wrapped(text: string, font: Font, width: number, linesMax: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text).trim().split(' ')) {
    const longer = line ? `${line} ${word}` : word;
    if (!line || widthOf(longer, font) <= width) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
    if (lines.length > linesMax) break;
  }
  if (line) lines.push(line);
  const isCut = lines.length > linesMax;
  const kept = lines.slice(0, linesMax);
  return kept.map((one, at) => fitted(isCut && at === kept.length - 1 ? `${one} ${'…'}` : one, font, width));
}

export interface TextLook extends Font {
  color: string;
  anchor?: 'start' | 'middle' | 'end';
  italic?: boolean;
}
// What paints drops blanks at a text's ends, and all but one inside.
const kept = (text: string): string => text.replace(/^ +| +$/g, (blanks) => '\u00a0'.repeat(blanks.length));

// `y` is the line that letters stand on.
export function textAt(x: number, y: number, text: string, look: TextLook): string {
  if (!text) return '';
  const anchor = look.anchor && look.anchor !== 'start' ? ` text-anchor="${look.anchor}"` : '';
  const weight = look.weight ? ` font-weight="${look.weight}"` : '';
  const slant = look.italic ? ' font-style="italic"' : '';
  const family = look.mono ? kMono : kSans;
  return (
    `<text x="${round(x)}" y="${round(y)}" font-family="${family}" font-size="${look.size}"${weight}${slant}${anchor}` +
    ` fill="${look.color}">${escaped(kept(text))}</text>`
  );
}

export interface BoxLook {
  fill?: string;
  stroke?: string;
  radius?: number;
}
export function box(x: number, y: number, width: number, height: number, look: BoxLook): string {
  const stroke = look.stroke ? ` stroke="${look.stroke}"` : '';
  const radius = look.radius ? ` rx="${look.radius}"` : '';
  return (
    `<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(0, width))}"` +
    ` height="${round(Math.max(0, height))}"${radius} fill="${look.fill ?? 'none'}"${stroke}/>`
  );
}
export const line = (x1: number, y1: number, x2: number, y2: number, color: string): string =>
  `<path d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}" stroke="${color}" fill="none"/>`;
export const moved = (x: number, y: number, content: string): string =>
  `<g transform="translate(${round(x)} ${round(y)})">${content}</g>`;

const round = (value: number): number => Math.round(value * 100) / 100;
