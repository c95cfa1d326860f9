import { Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { ChartProps, DrawingProps } from './Chart';

const LazyChart = lazy(() => import('./Chart'));
const LazyDrawing = lazy(async () => ({ default: (await import('./Chart')).Drawing }));

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
