// What a chart says of the point below the pointer: elements with text, so that no name is ever read as markup.
import type { Palette } from './palette';

export interface TooltipLine {
  name: string;
  text: string;
  color?: string | undefined;
}

/** What every chart's tooltip looks like. */
export function tooltipLook(palette: Palette) {
  return {
    backgroundColor: palette.surface,
    borderColor: palette.line,
    textStyle: { color: palette.ink, fontSize: 12 },
    confine: true,
  };
}

export function tooltipBox(title: string, lines: TooltipLine[]): HTMLElement {
  const box = document.createElement('div');
  box.className = 'chart-tooltip';
  const head = document.createElement('strong');
  head.textContent = title;
  box.append(head);
  for (const line of lines) {
    const row = document.createElement('div');
    const mark = document.createElement('i');
    if (line.color) mark.style.background = line.color;
    const name = document.createElement('span');
    name.textContent = line.name;
    const value = document.createElement('b');
    value.textContent = line.text;
    row.append(mark, name, value);
    box.append(row);
  }
  return box;
}
