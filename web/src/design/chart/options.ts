// ECharts' options for a line or bar chart in the look of the UI: direct labels, bars from zero, few lines.
import type { EChartsCoreOption } from 'echarts/core';
import { formatNumber, formatShort, formatterFor } from '../format';
import type { Palette } from './palette';
import type { ChartData } from './series';

export type ChartKind = 'line' | 'bar';

const kNamesLongest = 18;
const kSymbolsMax = 40;
// A day is said with its month.
const kTimes = { year: '{yyyy}', month: '{MMM} {yyyy}', day: '{d} {MMM}', hour: '{HH}:{mm}', minute: '{HH}:{mm}' };
// So many bars have the room for a name each, also where the letters are high.
const kNamedMax = 18;
const kNamed = { interval: 0, hideOverlap: false, lineHeight: 12 };
// Numbers along an axis say nothing without their name; dates and names speak for themselves.
const kMiddle = { nameLocation: 'middle', nameGap: 26 };

function isSideways(kind: ChartKind, data: ChartData): boolean {
  return kind === 'bar' && data.xKind === 'name' && (data.x.length > 8 || data.x.some((name) => name.length > 10));
}

// Drawn close up, small noise on large numbers would look like news.
export function isFlat(data: ChartData): boolean {
  const values = data.series.flatMap((series) => series.values).filter((value) => value !== null);
  const most = Math.max(...values);
  const least = Math.min(...values);
  return least >= 0 && most - least < 0.05 * most;
}

// As wide as the longest name needs, within bounds.
const nameWidthOf = (data: ChartData): number => Math.min(140, 8 + 7 * Math.max(...data.x.map((name) => name.length)));

function lineSeries(data: ChartData, palette: Palette, index: number) {
  const series = data.series[index]!;
  const several = data.series.length > 1;
  return {
    type: 'line',
    name: series.name,
    data: data.xKind === 'time' ? data.x.map((x, at) => [x, series.values[at]]) : series.values,
    showSymbol: data.x.length <= kSymbolsMax,
    symbolSize: 5,
    lineStyle: { width: 2 },
    connectNulls: false,
    sampling: 'lttb',
    endLabel: several
      ? {
          show: true,
          formatter: '{a}',
          color: palette.series[index % palette.series.length],
          fontSize: 12,
          distance: 6,
        }
      : { show: false },
    labelLayout: { moveOverlap: 'shiftY' },
    emphasis: { focus: 'series' },
  };
}

function barSeries(data: ChartData, palette: Palette, index: number, sideways: boolean) {
  const series = data.series[index]!;
  const single = data.series.length === 1;
  const largest = Math.max(...series.values.map((value) => Math.abs(value ?? 0)));
  const alike = formatterFor('', series.values); // labels beside each other are rounded alike
  const format = largest < 1e6 ? alike : formatShort;
  return {
    type: 'bar',
    name: series.name,
    data: series.values.map((value) =>
      value !== null && value < 0
        ? { value, itemStyle: { borderRadius: sideways ? [3, 0, 0, 3] : [0, 0, 3, 3] } }
        : value,
    ),
    barMaxWidth: 44,
    barCategoryGap: '28%',
    itemStyle: { borderRadius: sideways ? [0, 3, 3, 0] : [3, 3, 0, 0] },
    label: {
      show: single && data.x.length <= 24,
      position: sideways ? 'right' : 'top',
      formatter: (point: { value: unknown }) => (typeof point.value === 'number' ? format(point.value) : ''),
      color: palette.ink,
      fontSize: 12,
    },
  };
}

export function chartOptions(kind: ChartKind, data: ChartData, palette: Palette): EChartsCoreOption {
  const sideways = isSideways(kind, data);
  const several = data.series.length > 1;
  const longest = Math.max(0, ...data.series.map((series) => Math.min(series.name.length, kNamesLongest)));
  const isTime = kind === 'line' && data.xKind === 'time';
  const names = {
    type: isTime ? 'time' : 'category',
    ...(isTime ? {} : { data: data.x }),
    inverse: sideways,
    ...(data.xKind === 'number' ? { name: data.xName, ...kMiddle, nameTextStyle: { color: palette.faint } } : {}),
    boundaryGap: kind === 'bar' || isTime ? undefined : false,
    axisLine: { lineStyle: { color: palette.line } },
    axisTick: { show: false },
    axisLabel: {
      color: palette.faint,
      fontSize: 12,
      hideOverlap: true,
      ...(isTime ? { formatter: kTimes } : {}),
      ...(sideways
        ? { width: nameWidthOf(data), overflow: 'truncate', ...(data.x.length <= kNamedMax ? kNamed : {}) }
        : {}),
    },
    splitLine: { show: false },
  };
  const values = {
    type: 'value',
    scale: kind === 'line' && !isFlat(data), // a bar starts at zero, and so does a line that hardly moves
    axisLabel: { color: palette.faint, fontSize: 12, formatter: (value: number) => formatShort(value) },
    splitLine: { lineStyle: { color: palette.line } },
    splitNumber: 4,
  };
  return {
    animation: false,
    color: palette.series,
    textStyle: { fontFamily: 'Inter, system-ui, sans-serif' },
    grid: {
      left: 4,
      right: kind === 'line' && several ? longest * 7 + 16 : sideways ? 56 : 16,
      top: kind === 'bar' && several ? 32 : 20,
      bottom: 4,
      outerBoundsMode: 'same',
      outerBoundsContain: 'all',
    },
    legend:
      kind === 'bar' && several
        ? { top: 0, left: 0, icon: 'roundRect', itemWidth: 10, itemHeight: 10, textStyle: { color: palette.ink } }
        : undefined,
    tooltip: {
      trigger: 'axis',
      axisPointer: { type: kind === 'bar' ? 'shadow' : 'line' },
      backgroundColor: palette.surface,
      borderColor: palette.line,
      textStyle: { color: palette.ink, fontSize: 12 },
      valueFormatter: (value: unknown) => (typeof value === 'number' ? formatNumber(value) : '–'),
      confine: true,
    },
    xAxis: sideways ? values : names,
    yAxis: sideways ? names : values,
    series: data.series.map((_, index) =>
      kind === 'line' ? lineSeries(data, palette, index) : barSeries(data, palette, index, sideways),
    ),
  };
}
