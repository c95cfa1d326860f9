// Draws a chart with ECharts. Loaded only where one is shown (see index.tsx).
import { useComputedColorScheme } from '@mantine/core';
import { init, registerMap, use as register, type EChartsCoreOption, type EChartsType } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useMemo, useRef } from 'react';
import { chartOptions, type ChartKind, type ChartLook } from './options';
import { dark, light, type Palette } from './palette';
import { chartParts } from './parts';
import type { ChartData } from './series';

register([...chartParts, CanvasRenderer]);

// What was clicked: the place in a series, and where on the screen.
export interface Pick {
  series: number;
  at: number;
  x: number;
  y: number;
}
export interface Picture {
  png: () => string; // a data: address
  zoom: (factor: number) => void; // of a map
}
export interface ShapeMap {
  name: string;
  shapes: unknown; // GeoJSON
}

export interface DrawingProps {
  draw: (palette: Palette, width: number) => EChartsCoreOption;
  label: string;
  map?: ShapeMap | undefined;
  onPick?: ((pick: Pick) => void) | undefined;
  onDrawn?: ((picture: Picture | null) => void) | undefined;
}

interface Clicked {
  componentType: string;
  seriesIndex?: number;
  dataIndex?: number;
  event?: { event?: { clientX: number; clientY: number } };
}

function pickOf(clicked: Clicked): Pick | null {
  if (clicked.componentType !== 'series' || clicked.dataIndex === undefined) return null;
  const { clientX = 0, clientY = 0 } = clicked.event?.event ?? {};
  return { series: clicked.seriesIndex ?? 0, at: clicked.dataIndex, x: clientX, y: clientY };
}

function pictureOf(chart: EChartsType, ground: string): Picture {
  return {
    png: () => chart.getDataURL({ type: 'png', pixelRatio: 2, backgroundColor: ground }),
    zoom: (factor) => {
      const { width, height } = { width: chart.getWidth(), height: chart.getHeight() };
      chart.dispatchAction({
        type: 'geoRoam',
        zoom: factor,
        originX: width / 2,
        originY: height / 2,
        componentType: 'geo',
        geoIndex: 0,
      });
    },
  };
}

export function Drawing({ draw, label, map, onPick, onDrawn }: DrawingProps) {
  const holder = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | null>(null);
  const pick = useRef(onPick);
  const drawn = useRef(onDrawn);
  const scheme = useComputedColorScheme('light');
  const palette = scheme === 'dark' ? dark : light;
  useEffect(() => {
    pick.current = onPick;
    drawn.current = onDrawn;
  });
  useEffect(() => {
    const made = init(holder.current, null, { renderer: 'canvas' });
    chart.current = made;
    made.on('click', (clicked) => {
      const picked = pickOf(clicked as Clicked);
      if (picked) pick.current?.(picked);
    });
    // It tells the size once at the start too: a chart of that size is not laid out a second time.
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      const isSame =
        Math.round(width) === Math.round(made.getWidth()) && Math.round(height) === Math.round(made.getHeight());
      if (!isSame) made.resize();
    });
    observer.observe(holder.current!);
    return () => {
      observer.disconnect();
      drawn.current?.(null);
      made.dispose();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    if (!chart.current) return;
    if (map) registerMap(map.name, map.shapes as Parameters<typeof registerMap>[1]);
    chart.current.setOption(draw(palette, chart.current.getWidth()), { notMerge: true });
    drawn.current?.(pictureOf(chart.current, palette.surface));
  }, [draw, palette, map]);
  return <div className="chart" ref={holder} role="img" aria-label={label} />;
}

export interface ChartProps extends Omit<DrawingProps, 'draw' | 'map'> {
  kind: ChartKind;
  data: ChartData;
  look?: ChartLook | undefined;
}

export default function Chart({ kind, data, look, ...rest }: ChartProps) {
  const draw = useMemo(() => (palette: Palette) => chartOptions(kind, data, palette, look), [kind, data, look]);
  return <Drawing draw={draw} {...rest} />;
}
