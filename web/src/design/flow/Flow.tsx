// A picture of datasets and how they feed each other. Loaded only where one is shown (see index.tsx).
import '@xyflow/react/dist/base.css';
import {
  Controls,
  Handle,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useNodesInitialized,
  useReactFlow,
  type Edge,
  type Node,
  type NodeProps,
} from '@xyflow/react';
import { memo, useEffect, useMemo } from 'react';
import { formatCount } from '../format';
import { Icon, type IconName } from '../icons';
import { lookOf, Status } from '../status';
import { Ago } from '../time';
import { layout } from './layout';
import type { FlowNode, FlowProps } from './types';

const kColumnPx = 276;
const kRowPx = 84;
const kBands: Record<string, number> = { source: 0, topic: 1, raw: 1, system: 2, table: 2, dashboard: 3 };
const kIcons: Record<string, IconName> = {
  source: 'source',
  raw: 'raw',
  table: 'table',
  system: 'system',
  dashboard: 'dashboard',
};

type Data = FlowNode & { chosen: boolean; faded: boolean };
type DataNode = Node<Data, 'data'>;

function nameOf(node: FlowNode): { name: string; where: string } {
  const dot = node.kind === 'source' || node.kind === 'dashboard' ? -1 : node.title.indexOf('.');
  if (dot < 0) return { name: node.title, where: node.kind };
  return { name: node.title.slice(dot + 1), where: node.title.slice(0, dot) };
}

const DataCard = memo(function DataCard({ data }: NodeProps<DataNode>) {
  const { name, where } = nameOf(data);
  const tone = data.state ? lookOf(data.state).tone : 'empty';
  const classes = ['flow-node', `tone-${tone}`, data.chosen && 'chosen', data.faded && 'faded', !data.state && 'small'];
  return (
    <div className={classes.filter(Boolean).join(' ')} title={data.note || data.title}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <div className="name">
        <Icon name={kIcons[data.kind] ?? 'table'} size={16} />
        <span>{name}</span>
      </div>
      <div className="where">{where}</div>
      {data.state && (
        <div className="foot">
          {data.kind !== 'source' && data.kind !== 'dashboard' && <Status name={data.state} plain />}
          {data.rows !== undefined && <span>{formatCount(data.rows)} rows</span>}
          <span className="grow" />
          {data.updated_at && <Ago time={data.updated_at} />}
        </div>
      )}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
});

const kNodeTypes = { data: DataCard };

// Fits the picture again when nodes come or go, not when only their states change.
function Fit({ of, minZoom }: { of: string; minZoom: number }) {
  const flow = useReactFlow();
  const ready = useNodesInitialized();
  useEffect(() => {
    if (ready) void flow.fitView({ padding: 0.08, maxZoom: 1, minZoom });
  }, [flow, ready, of, minZoom]);
  return null;
}

function Picture(props: FlowProps) {
  const { nodes, edges, chosenNode, chosenEdge } = props;
  const shape = nodes.map((node) => node.id).join('|') + '#' + edges.map((edge) => edge.from + edge.to).join('|');
  const places = useMemo(
    () =>
      layout(
        nodes.map((node) => ({ id: node.id, band: kBands[node.kind] ?? 2 })),
        edges,
        { columnPx: kColumnPx, rowPx: kRowPx },
      ),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- states change often, the shape seldom
    [shape],
  );
  const flowNodes = useMemo((): DataNode[] => {
    const byId = new Map(nodes.map((node) => [node.id, node]));
    return places.flatMap((place) => {
      const node = byId.get(place.id);
      if (!node) return [];
      const data = { ...node, chosen: node.id === chosenNode, faded: false };
      return [
        { id: node.id, type: 'data' as const, position: { x: place.x, y: place.y }, data, ariaLabel: node.title },
      ];
    });
  }, [nodes, places, chosenNode]);
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
  const minZoom = window.innerWidth < 720 ? 0.6 : 0.25;
  return (
    <ReactFlow
      nodes={flowNodes}
      edges={flowEdges}
      nodeTypes={kNodeTypes}
      nodesDraggable={false}
      nodesConnectable={false}
      deleteKeyCode={null}
      minZoom={0.2}
      maxZoom={1.5}
      zoomOnScroll={false}
      preventScrolling={false}
      onNodeClick={(_, node) => props.onNode?.(node.data)}
      onEdgeClick={(_, edge) => props.onEdge?.(edge.id)}
      proOptions={{ hideAttribution: true }}
    >
      <Controls showInteractive={false} position="bottom-right" />
      <Fit of={shape} minZoom={minZoom} />
    </ReactFlow>
  );
}

export default function Flow(props: FlowProps) {
  return (
    <ReactFlowProvider>
      <Picture {...props} />
    </ReactFlowProvider>
  );
}
