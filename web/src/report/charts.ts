// The very charts of the dashboard's page, drawn by the same options to SVG without a browser.
import { init, registerMap, setPlatformAPI, use as register, type EChartsCoreOption } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Tile, TileData } from '../api/types';
import { chartOptions } from '../design/chart/options';
import { light } from '../design/chart/palette';
import { chartParts } from '../design/chart/parts';
import type { Drawable } from '../pages/dashboards/draw/drawable';
import { heatOptions } from '../pages/dashboards/draw/heat';
import { mapOptions, ownShapes, unknownShapes, type GeoJson, type Shapes } from '../pages/dashboards/draw/map';
import { scatterOptions } from '../pages/dashboards/draw/points';
import { countryOf, kWorld, worldShapes } from '../pages/dashboards/draw/world';
import { xyOf } from '../pages/dashboards/draw/xy';
import { fitted, textAt, widthOf } from './svg';

register([...chartParts, SVGRenderer]);
setPlatformAPI({
  measureText: (text, font) => {
    const size = Number(/(\d+(?:\.\d+)?)px/.exec(font ?? '')?.[1] ?? 12);
    return { width: widthOf(text, { size, weight: /\b(bold|[6-9]00)\b/.test(font ?? '') ? 600 : 400 }) };
  },
});

// The content of ECharts' SVG, without what only a pointer needs. What draws it knows no dominant-baseline: its
// "central" is so much below the line.
function contentOf(svg: string): string {
  return svg
    .replace(/^<svg[^>]*>/, '')
    .replace(/<\/svg>\s*$/, '')
    .replace(/<style >[\s\S]*?<\/style>/g, '')
    .replace(/dominant-baseline="central"/g, 'dy="0.35em"')
    .replace(/ (class|ecmeta_\w+|pointer-events)="[^"]*"/g, '');
}

function drawn(options: EChartsCoreOption, width: number, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption(options);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return contentOf(svg);
}

let isWorldThere = false;
function shapesOf(tile: Tile, given: Record<string, unknown>): Shapes {
  const name = tile.look.shapes;
  if (name) {
    const shapes = ownShapes(name, given[name] as GeoJson, tile.look.shape_key ?? 'name');
    registerMap(shapes.name, given[name] as Parameters<typeof registerMap>[1]);
    return shapes;
  }
  if (!isWorldThere) registerMap(kWorld, worldShapes() as unknown as Parameters<typeof registerMap>[1]);
  isWorldThere = true;
  return { name: kWorld, key: 'name', nameOf: countryOf };
}

function map(tile: Tile, drawable: Drawable, size: { width: number; height: number }, given: Record<string, unknown>) {
  if (tile.look.shapes && !given[tile.look.shapes]) throw new Error(`there is no ${tile.look.shapes}.geojson`);
  const shapes = shapesOf(tile, given);
  const unknown = unknownShapes(drawable, shapes);
  const picture = drawn(mapOptions(drawable, light, shapes), size.width, size.height);
  if (unknown.length === 0) return picture;
  const more = unknown.length > 3 ? ` and ${unknown.length - 3} more` : '';
  const note = `not on the map: ${unknown.slice(0, 3).join(', ')}${more}`;
  const font = { size: 12 };
  return (
    picture +
    textAt(size.width, size.height - 4, fitted(note, font, size.width), { ...font, color: light.faint, anchor: 'end' })
  );
}

export const kChartKinds = ['line', 'area', 'bar', 'scatter', 'heatmap', 'map'];

// An error says why there is no picture.
export function chart(
  tile: Tile,
  data: TileData,
  size: { width: number; height: number },
  shapes: Record<string, unknown>,
): string {
  const drawable: Drawable = { ...data, look: tile.look };
  if (tile.kind === 'scatter') return drawn(scatterOptions(drawable, light), size.width, size.height);
  if (tile.kind === 'heatmap') return drawn(heatOptions(drawable, light, size.width), size.width, size.height);
  if (tile.kind === 'map') return map(tile, drawable, size, shapes);
  const { chart, look } = xyOf(tile, data);
  if (chart.series.length === 0) throw new Error('The SELECT has no number to draw.');
  const kind = tile.kind === 'line' || tile.kind === 'area' ? tile.kind : 'bar';
  return drawn(chartOptions(kind, chart, light, look), size.width, size.height);
}
