// A scatter chart: two numbers, perhaps the group's name and a size.
import type { EChartsCoreOption } from 'echarts/core';
import type { Palette } from '../../../design/chart/palette';
import { tooltipBox, tooltipLook } from '../../../design/chart/tooltip';
import { cellText, formatNumber, formatShort, isNumeric } from '../../../design/format';
import { numberOf } from '../../../design/number';
import { chosenWriter } from '../formats';
import type { Drawable } from './drawable';

const kGroupsMax = 7; // as many as there are colours; the rest is one more

interface Point {
  value: [number, number];
  row: number;
  size: number | null;
}

export function groupsOf({ columns, rows }: Drawable): [string, Point[]][] {
  const group = columns.findIndex((column, index) => index > 1 && !isNumeric(column.type));
  const size = columns.findIndex((column, index) => index > 1 && isNumeric(column.type));
  const groups = new Map<string, Point[]>();
  rows.forEach((row, index) => {
    const x = numberOf(row[0]);
    const y = numberOf(row[1]);
    if (x === null || y === null) return;
    const name = group < 0 ? '' : cellText(row[group]);
    const key = groups.has(name) || groups.size < kGroupsMax ? name : 'others';
    const points = groups.get(key) ?? [];
    points.push({ value: [x, y], row: index, size: size < 0 ? null : numberOf(row[size]) });
    groups.set(key, points);
  });
  return [...groups];
}

export function scatterOptions(tile: Drawable, palette: Palette): EChartsCoreOption {
  const groups = groupsOf(tile);
  const largest = Math.max(1e-9, ...groups.flatMap(([, points]) => points.map((point) => Math.abs(point.size ?? 0))));
  const writers = tile.columns.map((column) => chosenWriter(tile.look, column.name));
  const axis = (index: number) => ({
    type: 'value',
    scale: true,
    name: tile.columns[index]?.name ?? '',
    nameLocation: index === 0 ? 'middle' : 'end',
    nameGap: index === 0 ? 26 : 8,
    nameTextStyle: { color: palette.faint, ...(index === 0 ? {} : { align: 'left' }) },
    axisLabel: { color: palette.faint, fontSize: 12, hideOverlap: true, formatter: writers[index] ?? formatShort },
    splitLine: { lineStyle: { color: palette.line } },
    axisLine: { show: false },
  });
  const several = groups.length > 1;
  return {
    animation: false,
    color: palette.series,
    textStyle: { fontFamily: 'Inter, system-ui, sans-serif' },
    grid: { left: 4, right: 16, top: several ? 44 : 28, bottom: 4, outerBoundsMode: 'same', outerBoundsContain: 'all' },
    legend: several ? { top: 0, left: 0, icon: 'circle', itemWidth: 10, textStyle: { color: palette.ink } } : undefined,
    tooltip: {
      trigger: 'item',
      ...tooltipLook(palette),
      formatter: ({ seriesName, data }: { seriesName?: string; data: Point }) =>
        tooltipBox(
          seriesName ?? '',
          tile.columns.map((column, index) => {
            const number = isNumeric(column.type) ? numberOf(tile.rows[data.row]?.[index]) : null;
            const text =
              number === null ? cellText(tile.rows[data.row]?.[index]) : (writers[index] ?? formatNumber)(number);
            return { name: column.name, text };
          }),
        ),
    },
    xAxis: axis(0),
    yAxis: axis(1),
    series: groups.map(([name, points]) => ({
      type: 'scatter',
      name,
      data: points,
      symbolSize: (_: unknown, point: { data?: Point }) =>
        point.data?.size === null || point.data === undefined
          ? 8
          : 4 + 24 * Math.sqrt(Math.abs(point.data.size) / largest),
      itemStyle: { opacity: 0.75, borderColor: palette.surface, borderWidth: 0.5 },
    })),
  };
}
