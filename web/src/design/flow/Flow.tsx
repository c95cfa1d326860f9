// A picture of datasets and how they feed each other. Loaded only where one is shown (see index.tsx).
import '@xyflow/react/dist/base.css';
import {
  BaseEdge,
  Controls,
  Handle,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStore,
  type Edge,
  type EdgeProps,
  type Node,
  type NodeProps,
} from '@xyflow/react';
import { memo, useEffect, useMemo } from 'react';
import { formatCount } from '../format';
import { Icon, type IconName } from '../icons';
import { lookOf, Status } from '../status';
import { Ago } from '../time';
import { boundsOf, nameOfEdge, zoomFor, type Placed, type Point } from './layout';
import { kBandNames, kBands, kSizes, zoomMinAt } from './look';
import type { FlowNode, FlowProps } from './types';

const kIcons: Record<string, IconName> = {
  source: 'source',
  raw: 'raw',
  table: 'table',
  job: 'code',
  system: 'system',
  dashboard: 'dashboard',
};

type Data = FlowNode & { chosen: boolean; faded: boolean; open: () => void };
type DataNode = Node<Data, 'data'>;
type BandNode = Node<{ name: string }, 'band'>;
type LaneEdge = Edge<{ lanes: Point[] }, 'lane'>;

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

function BandHead({ data }: NodeProps<BandNode>) {
  return <div className="flow-band">{data.name}</div>;
}

// From card to card, along its lanes past the cards between.
function Lane(props: EdgeProps<LaneEdge>) {
  const lanes = props.data?.lanes ?? [];
  const stops = [
    { x: props.sourceX, y: props.sourceY },
    ...lanes.flatMap((lane) => [lane, { x: lane.x + kSizes.cardWidth, y: lane.y }]),
    { x: props.targetX, y: props.targetY },
  ];
  let way = `M${stops[0]!.x},${stops[0]!.y}`;
  for (let at = 1; at < stops.length; at += 1) {
    const from = stops[at - 1]!;
    const to = stops[at]!;
    const middle = (from.x + to.x) / 2;
    way += ` C${middle},${from.y} ${middle},${to.y} ${to.x},${to.y}`;
  }
  return <BaseEdge id={props.id} path={way} interactionWidth={16} />;
}

const kNodeTypes = { data: DataCard, band: BandHead };
const kEdgeTypes = { lane: Lane };

// What stands in the columns, said once above the first column of each kind.
function bandsOf(nodes: FlowNode[], places: Placed[]): BandNode[] {
  const kinds = new Map(nodes.map((node) => [node.id, kBands[node.kind] ?? 2]));
  const top = Math.min(...places.map((place) => place.y));
  const first = new Map<number, number>();
  for (const place of places) {
    const band = kinds.get(place.id) ?? 2;
    first.set(band, Math.min(first.get(band) ?? Infinity, place.x));
  }
  return [...first].map(([band, x]) => ({
    id: `band:${band}`,
    type: 'band',
    position: { x, y: top - kSizes.headPx },
    width: kSizes.cardWidth,
    height: 16,
    data: { name: kBandNames[band] ?? '' },
    selectable: false,
    className: 'passive',
  }));
}

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

type PictureProps = FlowProps & { places: Placed[]; lanes: Map<string, Point[]> };

function Picture(props: PictureProps) {
  const { nodes, edges, places, lanes, chosenNode, chosenEdge, lit, onNode } = props;
  const flowNodes = useMemo((): DataNode[] => {
    const byId = new Map(nodes.map((node) => [node.id, node]));
    return places.flatMap((place) => {
      const node = byId.get(place.id);
      if (!node) return [];
      const data = {
        ...node,
        chosen: node.id === chosenNode,
        faded: lit !== undefined && !lit.nodes.has(node.id),
        open: () => onNode?.(node),
      };
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
  }, [nodes, places, chosenNode, lit, onNode]);
  const bands = useMemo(() => bandsOf(nodes, places), [nodes, places]);
  const flowEdges = useMemo((): LaneEdge[] => {
    const byId = new Map(nodes.map((node) => [node.id, node]));
    return edges
      .filter((edge) => byId.has(edge.from) && byId.has(edge.to))
      .map((edge) => ({ edge, id: nameOfEdge(edge) }))
      .map(({ edge, id }) => ({
        id,
        type: 'lane',
        source: edge.from,
        target: edge.to,
        animated: byId.get(edge.to)?.state === 'running',
        className: id === chosenEdge || lit?.edges.has(id) ? 'chosen' : lit ? 'faded' : '',
        focusable: false, // the edges are named below the picture where one can be chosen
        data: { lanes: lanes.get(id) ?? [] },
      }));
  }, [nodes, edges, lanes, chosenEdge, lit]);
  return (
    <ReactFlow
      nodes={[...flowNodes, ...bands]}
      edges={flowEdges}
      nodeTypes={kNodeTypes}
      edgeTypes={kEdgeTypes}
      nodesDraggable={false}
      nodesConnectable={false}
      nodesFocusable={false}
      deleteKeyCode={null}
      minZoom={0.2}
      maxZoom={1.5}
      zoomOnScroll={false}
      preventScrolling={false}
      onNodeClick={(_, node) => node.type === 'data' && node.data.open()}
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
