// Where tiles stand: in a grid of twelve columns, in order; each as wide and high as its file says, or as its
// neighbours leave: numbers side by side share the width; what is drawn takes half of it, and all of it when nothing
// stands beside.
import type { Tile } from '../../api/types';

export const kColumns = 12;
export const kRowPx = 56;
export const kGapPx = 12;

export const heightOf = (tile: Pick<Tile, 'kind' | 'look'>): number =>
  tile.look.height ?? (tile.kind === 'number' ? 2 : tile.kind === 'text' ? 3 : 5);

export function widthsOf(tiles: Pick<Tile, 'kind' | 'look'>[]): number[] {
  const widths: number[] = [];
  for (let start = 0; start < tiles.length;) {
    const first = tiles[start]!;
    if (first.look.width) {
      widths.push(first.look.width);
      start += 1;
      continue;
    }
    const isNumber = first.kind === 'number';
    let end = start + 1;
    while (end < tiles.length && !tiles[end]!.look.width && (tiles[end]!.kind === 'number') === isNumber) end += 1;
    const count = end - start;
    for (let place = 0; place < count; place += 1) {
      const alone = count % 2 === 1 && place === count - 1;
      widths.push(isNumber ? Math.max(3, 12 / Math.min(count, 4)) : alone ? 12 : 6);
    }
    start = end;
  }
  return widths;
}
