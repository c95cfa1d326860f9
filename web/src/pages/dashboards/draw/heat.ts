// A heat map: x, y and a value as colour, from little to much by lightness alone.
import type { EChartsCoreOption } from 'echarts/core';
import type { Palette } from '../../../design/chart/palette';
import { tooltipBox, tooltipLook } from '../../../design/chart/tooltip';
import { cellText, formatShort } from '../../../design/format';
import { numberOf } from '../../../design/number';
import { chosenWriter } from '../formats';
import type { Drawable } from './drawable';

const kNamedMax = 150; // cells that can show their value
const kNamePx = 7;

export interface Heat {
  xs: string[];
  ys: string[];
  cells: { value: [number, number, number | null]; row: number }[];
  least: number;
  most: number;
}

export function heatOf({ rows }: Drawable): Heat {
  const xs = [...new Set(rows.map((row) => cellText(row[0])))];
  const ys = [...new Set(rows.map((row) => cellText(row[1])))];
  const xAt = new Map(xs.map((x, at) => [x, at]));
  const yAt = new Map(ys.map((y, at) => [y, at]));
  const cells = rows.map((row, index) => ({
    value: [xAt.get(cellText(row[0]))!, yAt.get(cellText(row[1]))!, numberOf(row[2])] as [
      number,
      number,
      number | null,
    ],
    row: index,
  }));
  const values = cells.map((cell) => cell.value[2]).filter((value) => value !== null);
  return { xs, ys, cells, least: Math.min(...values), most: Math.max(...values) };
}

// Light text on dark cells and dark on light ones, whatever the theme.
function inkOn(share: number, palette: Palette): string {
  const isDarkCell = palette.surface === '#ffffff' ? share > 0.55 : share < 0.55;
  return isDarkCell ? '#ffffff' : '#10201f';
}

export function heatOptions(tile: Drawable, palette: Palette, width: number): EChartsCoreOption {
  const heat = heatOf(tile);
  const write = chosenWriter(tile.look, tile.columns[2]?.name ?? '') ?? formatShort;
  const isNamed = heat.cells.length <= kNamedMax && width / Math.max(1, heat.xs.length) > 40;
  const span = heat.most - heat.least || 1;
  const axis = (names: string[], isY: boolean) => ({
    type: 'category',
    data: names,
    inverse: isY,
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: {
      color: palette.faint,
      fontSize: 12,
      hideOverlap: true,
      ...(isY
        ? { width: Math.min(140, 8 + kNamePx * Math.max(1, ...names.map((name) => name.length))), overflow: 'truncate' }
        : {}),
    },
  });
  return {
    animation: false,
    textStyle: { fontFamily: 'Inter, system-ui, sans-serif' },
    grid: { left: 4, right: 8, top: 8, bottom: 36, outerBoundsMode: 'same', outerBoundsContain: 'all' },
    xAxis: axis(heat.xs, false),
    yAxis: axis(heat.ys, true),
    visualMap: {
      type: 'continuous',
      min: heat.least,
      max: heat.most,
      dimension: 2,
      orient: 'horizontal',
      left: 'center',
      bottom: 0,
      itemWidth: 10,
      itemHeight: 120,
      text: [write(heat.most), write(heat.least)],
      textStyle: { color: palette.faint, fontSize: 12 },
      inRange: { color: palette.scale },
    },
    tooltip: {
      trigger: 'item',
      ...tooltipLook(palette),
      formatter: ({ data }: { data: Heat['cells'][number] }) =>
        tooltipBox(
          tile.columns
            .slice(0, 2)
            .map((_, at) => cellText(tile.rows[data.row]?.[at]))
            .join(' · '),
          [{ name: tile.columns[2]?.name ?? '', text: data.value[2] === null ? 'NULL' : write(data.value[2]) }],
        ),
    },
    series: [
      {
        type: 'heatmap',
        data: heat.cells.map((cell) => ({
          ...cell,
          label: {
            color: cell.value[2] === null ? palette.faint : inkOn((cell.value[2] - heat.least) / span, palette),
          },
        })),
        label: {
          show: isNamed,
          fontSize: 11,
          formatter: ({ data }: { data: Heat['cells'][number] }) =>
            data.value[2] === null ? '' : write(data.value[2]),
        },
        itemStyle: { borderColor: palette.surface, borderWidth: 1 },
        emphasis: { itemStyle: { borderColor: palette.ink } },
      },
    ],
  };
}
