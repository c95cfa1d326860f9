// A line, area or bar tile: what the chart is of, and how the tile's file wants it to look.
import type { Tile, TileData } from '../../../api/types';
import type { ChartLook } from '../../../design/chart/options';
import { chartData, type ChartData } from '../../../design/chart/series';
import { isNumeric } from '../../../design/format';
import { chosenWriter } from '../formats';

export function xyOf(tile: Pick<Tile, 'look'>, data: TileData): { chart: ChartData; look: ChartLook } {
  const { look } = tile;
  const value = data.columns.find((column, index) => index > 0 && isNumeric(column.type));
  return {
    chart: chartData(data.columns, data.rows),
    look: {
      stack: look.stack,
      direction: look.direction,
      zeroNulls: look.nulls === 'zero',
      write: chosenWriter(look, value?.name ?? ''),
    },
  };
}
