import type { GraphEdge, NodeKind, NodeState } from '../../api/types';

export interface FlowNode {
  [key: string]: unknown;
  id: string;
  kind: NodeKind;
  title: string;
  state?: NodeState;
  rows?: number;
  updated_at?: string;
  note?: string;
  foot?: string; // said instead of state and rows
}
// React Flow wants a node's data to be a record.
export interface FlowProps {
  nodes: FlowNode[];
  edges: GraphEdge[];
  chosenNode?: string;
  chosenEdge?: string;
  lit?: { nodes: Set<string>; edges: Set<string> }; // the others step back
  onNode?: (node: FlowNode) => void;
  onEdge?: (id: string) => void;
}
