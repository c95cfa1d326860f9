import { Skeleton } from '@mantine/core';
import { later } from '../later';
import type { ChartProps, DrawingProps } from './Chart';

const fetch = () => import('./Chart');
const skeleton = <Skeleton height="100%" />;

export const Chart = later<ChartProps>(fetch, skeleton);
// A chart whose options the caller makes.
export const Drawing = later<DrawingProps>(async () => ({ default: (await fetch()).Drawing }), skeleton);

// For who knows that charts will be drawn: their code comes while the data is asked for.
export const fetchCharts = (): Promise<unknown> => Promise.all([Chart.fetchAhead(), Drawing.fetchAhead()]);

export { chartData, xText, type ChartData } from './series';
export type { ChartKind, ChartLook } from './options';
export type { Pick, Picture, ShapeMap } from './Chart';
