// A picture of datasets and how they feed each other. Loaded only where one is shown (see index.tsx).
import '@xyflow/react/dist/base.css';
import {
  Controls,
  Handle,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStore,
  type Edge,
  type Node,
  type NodeProps,
} from '@xyflow/react';
import { memo, useEffect, useMemo } from 'react';
import { formatCount } from '../format';
import { Icon, type IconName } from '../icons';
import { lookOf, Status } from '../status';
import { Ago } from '../time';
import { boundsOf, zoomFor, type Placed } from './layout';
import { kSizes, zoomMinAt } from './look';
import type { FlowNode, FlowProps } from './types';

const kIcons: Record<string, IconName> = {
  source: 'source',
  raw: 'raw',
  table: 'table',
  system: 'system',
  dashboard: 'dashboard',
};

type Data = FlowNode & { chosen: boolean; faded: boolean; open: () => void };
type DataNode = Node<Data, 'data'>;

function nameOf(node: FlowNode): { name: string; where: string } {
  const dot = node.kind === 'source' || node.kind === 'dashboard' ? -1 : node.title.indexOf('.');
  if (dot < 0) return { name: node.title, where: node.kind };
  return { name: node.title.slice(dot + 1), where: node.title.slice(0, dot) };
}

const DataCard = memo(function DataCard({ data }: NodeProps<DataNode>) {
  const { name, where } = nameOf(data);
  const tone = data.state ? lookOf(data.state).tone : 'empty';
  const classes = ['flow-node', `tone-${tone}`, data.chosen && 'chosen', data.faded && 'faded'];
  return (
    <div
      className={classes.filter(Boolean).join(' ')}
      title={data.note || data.title}
      role="link"
      tabIndex={0}
      onKeyDown={(event) => {
        if (event.key === 'Enter') data.open();
      }}
    >
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <div className="name">
        <Icon name={kIcons[data.kind] ?? 'table'} size={16} />
        <span>{name}</span>
      </div>
      <div className="where">
        <span>{where}</span>
        {data.updated_at && <Ago time={data.updated_at} />}
      </div>
      {data.foot && <div className="foot">{data.foot}</div>}
      {data.state && !data.foot && (
        <div className="foot">
          <Status name={data.state} plain />
          {data.rows !== undefined && data.rows >= 0 && <span>{formatCount(data.rows)} rows</span>}
        </div>
      )}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
});

const kNodeTypes = { data: DataCard };

// Shows the whole picture; again when nodes come or go or the place changes, not when only states change.
function Fit({ places }: { places: Placed[] }) {
  const flow = useReactFlow();
  const width = useStore((store) => store.width);
  const height = useStore((store) => store.height);
  useEffect(() => {
    if (places.length === 0 || width === 0) return;
    const bounds = boundsOf(places, kSizes);
    const whole = zoomFor(bounds, width, height, kSizes);
    const zoom = Math.max(whole, zoomMinAt(width));
    const center = (space: number, start: number, size: number) => (space - size * zoom) / 2 - start * zoom;
    const x =
      bounds.width * zoom > width ? kSizes.marginPx - bounds.left * zoom : center(width, bounds.left, bounds.width);
    void flow.setViewport({ x, y: center(height, bounds.top, bounds.height), zoom });
  }, [flow, places, width, height]);
  return null;
}

type PictureProps = FlowProps & { places: Placed[] };

function Picture(props: PictureProps) {
  const { nodes, edges, places, chosenNode, chosenEdge, onNode } = props;
  const flowNodes = useMemo((): DataNode[] => {
    const byId = new Map(nodes.map((node) => [node.id, node]));
    return places.flatMap((place) => {
      const node = byId.get(place.id);
      if (!node) return [];
      const data = { ...node, chosen: node.id === chosenNode, faded: false, open: () => onNode?.(node) };
      return [
        {
          id: node.id,
          type: 'data' as const,
          width: kSizes.cardWidth,
          height: kSizes.cardHeight,
          position: { x: place.x, y: place.y },
          data,
          ariaLabel: node.title,
        },
      ];
    });
  }, [nodes, places, chosenNode, onNode]);
  const flowEdges = useMemo((): Edge[] => {
    const byId = new Map(nodes.map((node) => [node.id, node]));
    return edges
      .filter((edge) => byId.has(edge.from) && byId.has(edge.to))
      .map((edge) => ({
        id: `${edge.from}→${edge.to}`,
        source: edge.from,
        target: edge.to,
        animated: byId.get(edge.to)?.state === 'running',
        className: `${edge.from}→${edge.to}` === chosenEdge ? 'chosen' : '',
        focusable: props.onEdge !== undefined,
        interactionWidth: 16,
      }));
  }, [nodes, edges, chosenEdge, props.onEdge]);
  return (
    <ReactFlow
      nodes={flowNodes}
      edges={flowEdges}
      nodeTypes={kNodeTypes}
      nodesDraggable={false}
      nodesConnectable={false}
      nodesFocusable={false}
      deleteKeyCode={null}
      minZoom={0.2}
      maxZoom={1.5}
      zoomOnScroll={false}
      preventScrolling={false}
      onNodeClick={(_, node) => node.data.open()}
      onEdgeClick={(_, edge) => props.onEdge?.(edge.id)}
      proOptions={{ hideAttribution: true }}
    >
      <Controls showInteractive={false} position="bottom-right" />
      <Fit places={places} />
    </ReactFlow>
  );
}

export default function Flow(props: PictureProps) {
  return (
    <ReactFlowProvider>
      <Picture {...props} />
    </ReactFlowProvider>
  );
}
