// The steps of a funnel.
import type { Tile, TileData } from '../../../api/types';
import { cellText, formatNumber } from '../../../design/format';
import { numberOf } from '../../../design/number';
import { chosenWriter } from '../formats';

export interface Step {
  name: string;
  count: string;
  share: number; // of the largest step
  lost: string; // what is left of the last step and of the first; empty for the first
}

export function stepsOf(tile: Pick<Tile, 'look'>, data: TileData): Step[] {
  const counts = data.rows.map((row) => Math.max(0, numberOf(row[1]) ?? 0));
  const most = Math.max(1e-9, ...counts);
  const write = chosenWriter(tile.look, data.columns[1]?.name ?? '') ?? formatNumber;
  const percent = (value: number, of: number) => (of === 0 ? '' : `${((100 * value) / of).toFixed(1)} %`);
  return data.rows.map((row, index) => ({
    name: cellText(row[0]),
    count: write(counts[index]!),
    share: counts[index]! / most,
    lost:
      index === 0
        ? ''
        : `${percent(counts[index]!, counts[index - 1]!)} of the last, ${percent(counts[index]!, counts[0]!)} of all`,
  }));
}
