import { Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { ChartProps } from './Chart';

const LazyChart = lazy(() => import('./Chart'));

export function Chart(props: ChartProps) {
  return (
    <Suspense fallback={<Skeleton height="100%" />}>
      <LazyChart {...props} />
    </Suspense>
  );
}
export { chartData, type ChartData } from './series';
export type { ChartKind } from './options';
