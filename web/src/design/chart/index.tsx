import { Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { ChartProps, DrawingProps } from './Chart';

const LazyChart = lazy(() => import('./Chart'));
const LazyDrawing = lazy(async () => ({ default: (await import('./Chart')).Drawing }));

// For who knows that charts will be drawn: their code comes while the data is asked for.
export const fetchCharts = (): void => void import('./Chart').catch(() => undefined);

export function Chart(props: ChartProps) {
  return (
    <Suspense fallback={<Skeleton height="100%" />}>
      <LazyChart {...props} />
    </Suspense>
  );
}
// A chart whose options the caller makes.
export function Drawing(props: DrawingProps) {
  return (
    <Suspense fallback={<Skeleton height="100%" />}>
      <LazyDrawing {...props} />
    </Suspense>
  );
}
export { chartData, xText, type ChartData } from './series';
export type { ChartKind, ChartLook } from './options';
export type { Pick, Picture, ShapeMap } from './Chart';
