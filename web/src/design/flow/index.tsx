import { Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { FlowProps } from './types';

const Flow = lazy(() => import('./Flow'));

// Keyboard: Tab goes from node to node, Enter opens one.
export function DataFlow({ label, height, ...props }: FlowProps & { label: string; height?: number }) {
  return (
    <div className="flow" role="group" aria-label={label} style={height ? { height } : undefined}>
      <Suspense fallback={<Skeleton height="100%" />}>
        <Flow {...props} />
      </Suspense>
    </div>
  );
}
export type { FlowNode } from './types';
