// Following one column through a lineage: to what it is made of, and to what is made of it.
import type { Lineage, LineageEdge } from '../../api/types';

export const idOf = (edge: LineageEdge): string => `${edge.from}→${edge.to}`;

export interface ColumnStep {
  edge: string;
  from: string;
  column: string;
  to: string;
  becomes: string;
}
export interface ColumnWay {
  nodes: Set<string>;
  edges: Set<string>;
  steps: ColumnStep[]; // from the first source on
}

const keyOf = (dataset: string, column: string): string => `${dataset}\n${column}`;

export function stepsOf(lineage: Lineage): ColumnStep[] {
  return lineage.edges.flatMap((edge) =>
    edge.columns.map((pair) => ({
      edge: idOf(edge),
      from: edge.from,
      column: pair.input_column,
      to: edge.to,
      becomes: pair.column,
    })),
  );
}

export function columnsOf(lineage: Lineage, dataset: string): string[] {
  const names = stepsOf(lineage).flatMap((step) => [
    ...(step.to === dataset ? [step.becomes] : []),
    ...(step.from === dataset ? [step.column] : []),
  ]);
  return [...new Set(names)].sort();
}

export function wayOf(lineage: Lineage, dataset: string, column: string): ColumnWay {
  const all = stepsOf(lineage);
  const up: ColumnStep[] = [];
  const down: ColumnStep[] = [];
  const walk = (found: ColumnStep[], next: (step: ColumnStep, at: string) => string | null) => {
    const seen = new Set<string>();
    const open = [keyOf(dataset, column)];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      for (const step of all) {
        const other = next(step, at);
        if (other === null) continue;
        if (!found.includes(step)) found.push(step);
        open.push(other);
      }
    }
  };
  walk(up, (step, at) => (keyOf(step.to, step.becomes) === at ? keyOf(step.from, step.column) : null));
  walk(down, (step, at) => (keyOf(step.from, step.column) === at ? keyOf(step.to, step.becomes) : null));
  const steps = [...up.reverse(), ...down];
  return {
    nodes: new Set([dataset, ...steps.flatMap((step) => [step.from, step.to])]),
    edges: new Set(steps.map((step) => step.edge)),
    steps,
  };
}
