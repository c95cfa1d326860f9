// Which run started which: a run that began because of new data, or after another, belongs to the chain of the one that
// brought it. Pure.
import type { RunDetail, Task } from '../../api/types';

const kFollows = /^(new data in|after|first run)/;

// The run that each run came from, by id; runs that nothing here brought have none.
export function parentsOf(runs: RunDetail[], tasks: Task[]): Map<string, RunDetail> {
  const datasets = new Map(tasks.map((task) => [task.id, task.dataset]));
  const made = new Map<string, RunDetail>(); // dataset@version -> the run that wrote it
  const byId = new Map(runs.map((run) => [run.id, run]));
  for (const run of runs) {
    const dataset = datasets.get(run.task);
    if (dataset && run.version && run.state === 'succeeded') made.set(`${dataset}@${run.version}`, run);
  }
  const parents = new Map<string, RunDetail>();
  for (const run of runs) {
    if (!kFollows.test(run.trigger)) continue;
    const sources = [
      ...Object.entries(run.inputs).map(([dataset, version]) => made.get(`${dataset}@${version}`)),
      ...Object.values(run.after).map((id) => byId.get(id)),
    ].filter((source): source is RunDetail => source !== undefined && source.id !== run.id);
    // What came last is what it waited for.
    const last = sources.sort((one, other) => (one.ended_at ?? '').localeCompare(other.ended_at ?? '')).at(-1);
    if (last) parents.set(run.id, last);
  }
  return parents;
}

export interface Chain {
  root: RunDetail;
  runs: RunDetail[]; // the root first, then as they were queued
}

export function chainsOf(runs: RunDetail[], tasks: Task[]): Chain[] {
  const parents = parentsOf(runs, tasks);
  const chains = new Map<string, Chain>();
  const rootOf = (run: RunDetail) => {
    let root = run;
    for (let steps = 0; steps < runs.length; steps += 1) {
      const parent = parents.get(root.id);
      if (!parent) break;
      root = parent;
    }
    return root;
  };
  const inOrder = [...runs].sort((one, other) => Number(one.id) - Number(other.id));
  for (const run of inOrder) {
    const root = rootOf(run);
    const chain = chains.get(root.id) ?? { root, runs: [] };
    chain.runs.push(run);
    chains.set(root.id, chain);
  }
  return [...chains.values()].sort((one, other) => one.root.queued_at.localeCompare(other.root.queued_at));
}
