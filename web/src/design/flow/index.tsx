import { Skeleton } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useMemo } from 'react';
import { later } from '../later';
import { boundsOf, layout, zoomFor } from './layout';
import { kBands, kSizes, zoomMinAt } from './look';
import type { FlowProps } from './types';

const Flow = later(() => import('./Flow'), <Skeleton height="100%" radius={0} />);

const kHeightMin = 180;
const kHeightMax = 600;

// As high as the picture needs at this width. Keyboard: Tab goes from card to card, Enter opens one.
export function DataFlow({ label, ...props }: FlowProps & { label: string }) {
  const { ref, width } = useElementSize();
  const { nodes, edges } = props;
  const shape = nodes.map((node) => node.id).join('|') + '#' + edges.map((edge) => edge.from + '>' + edge.to).join('|');
  const { places, lanes } = useMemo(
    () =>
      layout(
        nodes.map((node) => ({ id: node.id, band: kBands[node.kind] ?? 2 })),
        edges,
        kSizes,
      ),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- states change often, the shape seldom
    [shape],
  );
  const bounds = boundsOf(places, kSizes);
  const zoom = Math.max(zoomFor(bounds, width || 1000, kHeightMax, kSizes), zoomMinAt(width || 1000));
  const height = Math.min(kHeightMax, Math.max(kHeightMin, Math.round(bounds.height * zoom + 2 * kSizes.marginPx)));
  return (
    <div className="flow" role="group" aria-label={label} style={{ height }} ref={ref}>
      <Flow {...props} places={places} lanes={lanes} />
    </div>
  );
}
export type { FlowNode } from './types';
