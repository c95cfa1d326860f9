// Draws a chart with ECharts. Loaded only where one is shown (see index.tsx).
import { useComputedColorScheme } from '@mantine/core';
import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TooltipComponent } from 'echarts/components';
import { init, use as register, type EChartsType } from 'echarts/core';
import { LabelLayout } from 'echarts/features';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useMemo, useRef } from 'react';
import { chartOptions, type ChartKind } from './options';
import { dark, light } from './palette';
import type { ChartData } from './series';

register([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, LabelLayout, CanvasRenderer]);

export interface ChartProps {
  kind: ChartKind;
  data: ChartData;
  label: string;
}

export default function Chart({ kind, data, label }: ChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | null>(null);
  const scheme = useComputedColorScheme('light');
  const options = useMemo(() => chartOptions(kind, data, scheme === 'dark' ? dark : light), [kind, data, scheme]);
  useEffect(() => {
    const made = init(holder.current, null, { renderer: 'canvas' });
    chart.current = made;
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(holder.current!);
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption(options, { notMerge: true });
  }, [options]);
  return <div className="chart" ref={holder} role="img" aria-label={label} />;
}
