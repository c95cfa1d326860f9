// ECharts' options for a line, area or bar chart in the look of the UI: direct labels, bars from zero, few lines.
import type { EChartsCoreOption } from 'echarts/core';
import { formatNumber, formatShort, formatterFor } from '../format';
import type { Palette } from './palette';
import type { ChartData } from './series';
import { tooltipBox, tooltipLook } from './tooltip';

export type ChartKind = 'line' | 'area' | 'bar';
export interface ChartLook {
  stack?: 'sum' | 'percent' | undefined;
  direction?: 'up' | 'right' | undefined;
  zeroNulls?: boolean; // a line goes to zero where there is no value
  write?: ((value: number) => string) | undefined; // how values are written, where somebody chose
}

const kNamesLongest = 18;
const kSymbolsMax = 40;
// A day is said with its month.
const kTimes = { year: '{yyyy}', month: '{MMM} {yyyy}', day: '{d} {MMM}', hour: '{HH}:{mm}', minute: '{HH}:{mm}' };
// So many bars have the room for a name each, also where the letters are high.
const kNamedMax = 18;
const kNamed = { interval: 0, hideOverlap: false, lineHeight: 12 };
// Numbers along an axis say nothing without their name; dates and names speak for themselves.
const kMiddle = { nameLocation: 'middle', nameGap: 26 };

function isSideways(kind: ChartKind, data: ChartData, look: ChartLook): boolean {
  if (kind === 'bar' && look.direction) return look.direction === 'right';
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

// Of stacked percents: each series' share of its x.
function shares(data: ChartData): ChartData {
  const sums = data.x.map((_, at) => data.series.reduce((sum, series) => sum + Math.max(0, series.values[at] ?? 0), 0));
  const share = (value: number | null, at: number) =>
    value === null || sums[at] === 0 ? null : Math.max(0, value) / sums[at]!;
  return { ...data, series: data.series.map((series) => ({ ...series, values: series.values.map(share) })) };
}
const kPercent = new Intl.NumberFormat('en-US', { style: 'percent', maximumFractionDigits: 1 });

function lineSeries(data: ChartData, palette: Palette, index: number, kind: ChartKind, look: ChartLook) {
  const series = data.series[index]!;
  const values = look.zeroNulls || look.stack ? series.values.map((value) => value ?? 0) : series.values;
  const several = data.series.length > 1;
  return {
    type: 'line',
    name: series.name,
    data: data.xKind === 'time' ? data.x.map((x, at) => [x, values[at]]) : values,
    ...(look.stack ? { stack: 'all' } : {}),
    ...(kind === 'area' ? { areaStyle: { opacity: look.stack ? 0.55 : 0.18 } } : {}),
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

function barSeries(data: ChartData, palette: Palette, index: number, sideways: boolean, look: ChartLook) {
  const series = data.series[index]!;
  const single = data.series.length === 1;
  const largest = Math.max(...series.values.map((value) => Math.abs(value ?? 0)));
  const alike = formatterFor('', series.values); // labels beside each other are rounded alike
  const format = look.write ?? (largest < 1e6 ? alike : formatShort);
  return {
    type: 'bar',
    name: series.name,
    data: series.values.map((value) =>
      value !== null && value < 0
        ? { value, itemStyle: { borderRadius: sideways ? [3, 0, 0, 3] : [0, 0, 3, 3] } }
        : value,
    ),
    ...(look.stack ? { stack: 'all' } : {}),
    barMaxWidth: 44,
    barCategoryGap: '28%',
    itemStyle: look.stack
      ? { borderColor: palette.surface, borderWidth: 1 }
      : { borderRadius: sideways ? [0, 3, 3, 0] : [3, 3, 0, 0] },
    label: {
      show: single && data.x.length <= 24,
      position: sideways ? 'right' : 'top',
      formatter: (point: { value: unknown }) => (typeof point.value === 'number' ? format(point.value) : ''),
      color: palette.ink,
      fontSize: 12,
    },
  };
}

// Names of people's data are drawn on the canvas or put as text into an element: never read as markup.
function tooltipOf(write: (value: number) => string) {
  interface Point {
    seriesName?: string;
    axisValueLabel?: string;
    name?: string;
    color?: unknown;
    value?: unknown;
  }
  return (points: Point | Point[]): HTMLElement => {
    const list = Array.isArray(points) ? points : [points];
    const value = (point: Point) => (Array.isArray(point.value) ? (point.value as unknown[])[1] : point.value);
    return tooltipBox(
      list[0]?.axisValueLabel ?? list[0]?.name ?? '',
      list.map((point) => ({
        name: point.seriesName ?? '',
        text: typeof value(point) === 'number' ? write(value(point) as number) : '–',
        color: typeof point.color === 'string' ? point.color : undefined,
      })),
    );
  };
}

export function chartOptions(
  kind: ChartKind,
  given: ChartData,
  palette: Palette,
  look: ChartLook = {},
): EChartsCoreOption {
  const data = look.stack === 'percent' ? shares(given) : given;
  const sideways = isSideways(kind, data, look);
  const write = look.stack === 'percent' ? (value: number) => kPercent.format(value) : (look.write ?? formatNumber);
  const isLine = kind !== 'bar';
  const several = data.series.length > 1;
  const longest = Math.max(0, ...data.series.map((series) => Math.min(series.name.length, kNamesLongest)));
  const isTime = isLine && data.xKind === 'time';
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
    // A bar starts at zero, and so does a line that hardly moves.
    scale: kind === 'line' && !look.stack && !isFlat(data),
    ...(look.stack === 'percent' ? { max: 1, interval: 0.25 } : {}),
    axisLabel: {
      color: palette.faint,
      fontSize: 12,
      formatter: (value: number) => (look.stack === 'percent' || look.write ? write(value) : formatShort(value)),
    },
    splitLine: { lineStyle: { color: palette.line } },
    splitNumber: 4,
  };
  return {
    animation: false,
    color: palette.series,
    textStyle: { fontFamily: 'Inter, system-ui, sans-serif' },
    grid: {
      left: 4,
      right: isLine && several ? longest * 7 + 16 : sideways ? 56 : 16,
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
      ...tooltipLook(palette),
      formatter: tooltipOf(write),
    },
    xAxis: sideways ? values : names,
    yAxis: sideways ? names : values,
    series: data.series.map((_, index) =>
      isLine ? lineSeries(data, palette, index, kind, look) : barSeries(data, palette, index, sideways, look),
    ),
  };
}
