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

// What makes no dataset, a job, stands for itself.
export const nodeOf = (task: Task) => task.dataset || task.id;

function cardOf(task: Task): FlowNode {
  return {
    id: nodeOf(task),
    kind: (task.kind === 'source' ? 'raw' : task.dataset === '' ? 'job' : 'table') as NodeKind,
    title: task.dataset || task.id.slice(task.id.indexOf(':') + 1),
    state: stateOf(task),
    note: task.why,
    updated_at: task.last?.ended_at ?? undefined,
    rows: task.last?.rows,
    task: task.id,
  };
}

export function TaskGraph({ tasks, around }: { tasks: Task[]; around?: Task }) {
  const [, navigate] = useLocation();
  const before = (task: Task) => [...task.inputs, ...(task.after ?? [])];
  const isNear = (task: Task) =>
    !around || task === around || before(around).includes(nodeOf(task)) || before(task).includes(nodeOf(around));
  const near = tasks.filter(isNear);
  const edges = near
    .flatMap((task) => before(task).map((from) => ({ from, to: nodeOf(task) })))
    .filter((edge) => !around || edge.from === nodeOf(around) || edge.to === nodeOf(around));
  return (
    <DataFlow
      label="Tasks and what they wait for"
      nodes={near.map(cardOf)}
      edges={edges}
      {...(around ? { chosenNode: nodeOf(around) } : {})}
      onNode={(node) => navigate(`/runs?view=history&task=${encodeURIComponent(String(node['task']))}`)}
    />
  );
}
