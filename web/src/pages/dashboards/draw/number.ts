// What a number tile says.
import type { Tile, TileData } from '../../../api/types';
import { cellText, formatNumber } from '../../../design/format';
import { numberOf } from '../../../design/number';
import { chosenWriter } from '../formats';

export interface LargeNumber {
  text: string | null; // null: there is no value
  compared: string | null; // "▲ 3.1 % · last week 120"
}

export function largeNumberOf(tile: Pick<Tile, 'look'>, data: TileData): LargeNumber {
  const value = data.rows[0]?.[0];
  const now = numberOf(value);
  const before = numberOf(data.rows[0]?.[1]);
  const write = chosenWriter(tile.look, data.columns[0]?.name ?? '') ?? formatNumber;
  const text = value === undefined || value === null ? null : now === null ? cellText(value) : write(now);
  if (now === null || before === null) return { text, compared: null };
  const change = before === 0 ? null : (now - before) / Math.abs(before);
  const percent = change === null ? '' : `${Math.abs(change * 100).toFixed(1)} %`;
  const word = now > before ? '▲' : now < before ? '▼' : '=';
  return { text, compared: `${word} ${percent} · ${data.columns[1]?.name ?? ''} ${write(before)}` };
}
