// A map: points where the rows have lon and lat, else shapes coloured by a value.
import type { EChartsCoreOption } from 'echarts/core';
import type { Palette } from '../../../design/chart/palette';
import { tooltipBox, tooltipLook } from '../../../design/chart/tooltip';
import { cellText, formatNumber, isNumeric } from '../../../design/format';
import { numberOf } from '../../../design/number';
import { chosenWriter } from '../formats';
import type { Drawable } from './drawable';

const kMarginDegrees = 4;
const kPixelsOfDegree = 0.82; // of latitude, as wide as a degree of longitude looks in the middle latitudes

export interface Shapes {
  name: string; // as registered
  key: string; // the property that names a shape
  nameOf: (value: string) => string | undefined; // of the shape that a row's first column means
}

export interface GeoJson {
  features: { properties?: Record<string, unknown> | null }[];
}

export function ownShapes(name: string, geo: GeoJson, key: string): Shapes {
  const names = geo.features.map((feature) => String(feature.properties?.[key] ?? ''));
  const byName = new Map(names.map((one) => [one.toLowerCase(), one]));
  return { name, key, nameOf: (value) => byName.get(value.toLowerCase()) };
}

const columnNamed = (tile: Drawable, names: RegExp): number =>
  tile.columns.findIndex((column) => names.test(column.name) && isNumeric(column.type));

export function coordinatesOf(tile: Drawable): { lon: number; lat: number } | null {
  const lon = columnNamed(tile, /^(lon|lng|long|longitude)$/i);
  const lat = columnNamed(tile, /^(lat|latitude)$/i);
  return lon < 0 || lat < 0 ? null : { lon, lat };
}

function tooltipOf(tile: Drawable, palette: Palette, skip: number[]) {
  return {
    trigger: 'item',
    ...tooltipLook(palette),
    formatter: ({ name, data }: { name: string; data?: { row: number } }) => {
      const row = data && tile.rows[data.row];
      if (!row) return tooltipBox(name, [{ name: 'no value', text: '–' }]);
      const shown = tile.columns.map((_, index) => index).filter((index) => !skip.includes(index));
      return tooltipBox(
        name,
        shown.map((index) => {
          const column = tile.columns[index]!;
          const number = isNumeric(column.type) ? numberOf(row[index]) : null;
          const write = chosenWriter(tile.look, column.name) ?? formatNumber;
          return { name: column.name, text: number === null ? cellText(row[index]) : write(number) };
        }),
      );
    },
  };
}

function scaleOf(values: number[], palette: Palette, write: (value: number) => string) {
  const least = Math.min(...values);
  const most = Math.max(...values);
  return {
    type: 'continuous',
    min: least,
    max: most === least ? least + 1 : most,
    left: 4,
    bottom: 0,
    itemWidth: 10,
    itemHeight: 90,
    text: [write(most), write(least)],
    textStyle: { color: palette.faint, fontSize: 12 },
    inRange: { color: palette.scale },
  };
}

const base = (palette: Palette) => ({
  animation: false,
  textStyle: { fontFamily: 'Inter, system-ui, sans-serif' },
  color: palette.series,
});

const looks = (palette: Palette) => ({
  roam: 'move',
  scaleLimit: { min: 0.8, max: 40 },
  itemStyle: { areaColor: palette.land, borderColor: palette.surface, borderWidth: 0.6 },
  emphasis: { label: { show: false }, itemStyle: { areaColor: palette.line } },
  select: { disabled: true },
});

function pointOptions(tile: Drawable, palette: Palette, shapes: Shapes, at: { lon: number; lat: number }) {
  const value = tile.columns.findIndex(
    (column, index) => index !== at.lon && index !== at.lat && isNumeric(column.type),
  );
  const named = tile.columns.findIndex((column) => !isNumeric(column.type));
  const points = tile.rows.flatMap((row, index) => {
    const lon = numberOf(row[at.lon]);
    const lat = numberOf(row[at.lat]);
    if (lon === null || lat === null || Math.abs(lat) > 90 || Math.abs(lon) > 360) return [];
    return [
      {
        name: named < 0 ? '' : cellText(row[named]),
        value: [lon, lat, value < 0 ? 1 : (numberOf(row[value]) ?? 0)],
        row: index,
      },
    ];
  });
  const lons = points.map((point) => point.value[0]!);
  const lats = points.map((point) => point.value[1]!);
  const largest = Math.max(1e-9, ...points.map((point) => Math.abs(point.value[2]!)));
  const corners =
    points.length === 0
      ? undefined
      : [
          [Math.min(...lons) - kMarginDegrees, Math.min(85, Math.max(...lats) + kMarginDegrees)],
          [Math.max(...lons) + kMarginDegrees, Math.max(-85, Math.min(...lats) - kMarginDegrees)],
        ];
  return {
    ...base(palette),
    geo: {
      map: shapes.name,
      nameProperty: shapes.key,
      boundingCoords: corners,
      aspectScale: kPixelsOfDegree,
      silent: true,
      left: 0,
      right: 0,
      top: 0,
      bottom: 0,
      ...looks(palette),
    },
    tooltip: tooltipOf(tile, palette, named < 0 ? [] : [named]),
    series: [
      {
        type: 'scatter',
        coordinateSystem: 'geo',
        data: points,
        symbolSize: (point: number[]) => (value < 0 ? 7 : 5 + 23 * Math.sqrt(Math.abs(point[2]!) / largest)),
        itemStyle: { color: palette.series[0], opacity: 0.7, borderColor: palette.surface, borderWidth: 0.8 },
        label: {
          show: named >= 0 && points.length <= 120,
          formatter: ({ name }: { name: string }) => name,
          position: 'right',
          color: palette.ink,
          fontSize: 11,
          textBorderColor: palette.surface,
          textBorderWidth: 2,
        },
        labelLayout: { hideOverlap: true },
      },
    ],
  };
}

// Which rows name no shape of the map, for a note beside it.
export function unknownShapes(tile: Drawable, shapes: Shapes): string[] {
  if (coordinatesOf(tile)) return [];
  return [...new Set(tile.rows.map((row) => cellText(row[0])).filter((name) => shapes.nameOf(name) === undefined))];
}

export function mapOptions(tile: Drawable, palette: Palette, shapes: Shapes): EChartsCoreOption {
  const at = coordinatesOf(tile);
  if (at) return pointOptions(tile, palette, shapes, at);
  const valueAt = tile.columns.findIndex((column, index) => index > 0 && isNumeric(column.type));
  const data = tile.rows.flatMap((row, index) => {
    const name = shapes.nameOf(cellText(row[0]));
    const value = numberOf(row[valueAt]);
    return name === undefined || value === null ? [] : [{ name, value, row: index }];
  });
  const write = chosenWriter(tile.look, tile.columns[valueAt]?.name ?? '') ?? formatNumber;
  return {
    ...base(palette),
    tooltip: tooltipOf(tile, palette, []),
    visualMap:
      data.length > 0
        ? scaleOf(
            data.map((shape) => shape.value),
            palette,
            write,
          )
        : undefined,
    series: [
      {
        type: 'map',
        map: shapes.name,
        nameProperty: shapes.key,
        data,
        aspectScale: kPixelsOfDegree,
        left: 0,
        right: 0,
        top: 0,
        bottom: 0,
        ...looks(palette),
        label: { show: false },
      },
    ],
  };
}
