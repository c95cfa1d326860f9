import type { Cell, TileColumn, TileLook } from '../../../api/types';

// What a tile has to be drawn.
export interface Drawable {
  columns: TileColumn[];
  rows: Cell[][];
  look: TileLook;
}
