// Tasks and what they wait for, as a picture: all of them, or one with its neighbours.
import { useLocation } from 'wouter';
import type { NodeKind, NodeState, Task } from '../../api/types';
import { DataFlow, type FlowNode } from '../../design/flow';

export function stateOf(task: Task): NodeState {
  if (task.current) return task.current.state === 'running' ? 'running' : 'waiting';
  if (task.last?.state === 'failed') return 'failed';
  if (task.fresh) return 'ok';
  return task.last ? 'waiting' : 'empty';
}

function cardOf(task: Task): FlowNode {
  return {
    id: task.dataset,
    kind: (task.kind === 'source' ? 'raw' : 'table') as NodeKind,
    title: task.dataset,
    state: stateOf(task),
    note: task.why,
    updated_at: task.last?.ended_at ?? undefined,
    rows: task.last?.rows,
    task: task.id,
  };
}

export function TaskGraph({ tasks, around }: { tasks: Task[]; around?: Task }) {
  const [, navigate] = useLocation();
  const isNear = (task: Task) =>
    !around || task === around || around.inputs.includes(task.dataset) || task.inputs.includes(around.dataset);
  const near = tasks.filter(isNear);
  const edges = near
    .flatMap((task) => task.inputs.map((from) => ({ from, to: task.dataset })))
    .filter((edge) => !around || edge.from === around.dataset || edge.to === around.dataset);
  return (
    <DataFlow
      label="Tasks and what they wait for"
      nodes={near.map(cardOf)}
      edges={edges}
      {...(around ? { chosenNode: around.dataset } : {})}
      onNode={(node) => navigate(`/runs?view=history&task=${encodeURIComponent(String(node['task']))}`)}
    />
  );
}
