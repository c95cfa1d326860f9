// Where the nodes of a picture of data go: columns from left to right by what they need, rows near their inputs.

export interface LayoutNode {
  id: string;
  band: number; // the kind's place on the way: a node never stands left of a node of an earlier band
}
export interface LayoutEdge {
  from: string;
  to: string;
}
export interface Placed {
  id: string;
  column: number;
  x: number;
  y: number;
}
export interface Sizes {
  columnPx: number;
  rowPx: number;
  cardWidth: number;
  cardHeight: number;
  marginPx: number;
}
export interface Bounds {
  left: number;
  top: number;
  width: number;
  height: number;
}

// The longest way to each node, in steps; a cycle (there should be none) ends where it began.
function depthsOf(nodes: LayoutNode[], inputs: Map<string, string[]>): Map<string, number> {
  const bands = [...new Set(nodes.map((node) => node.band))].sort((left, right) => left - right);
  const depths = new Map<string, number>();
  const under = new Set<string>();
  let floor = 0;
  for (const band of bands) {
    const members = new Set(nodes.filter((node) => node.band === band).map((node) => node.id));
    const depthOf = (id: string): number => {
      const known = depths.get(id);
      if (known !== undefined) return known;
      if (under.has(id)) return floor;
      under.add(id);
      const before = (inputs.get(id) ?? []).filter((input) => members.has(input));
      const depth = Math.max(floor, ...before.map((input) => depthOf(input) + 1));
      depths.set(id, depth);
      return depth;
    };
    let deepest = floor;
    for (const id of members) deepest = Math.max(deepest, depthOf(id));
    floor = deepest + 1;
  }
  return depths;
}

function mean(values: number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

// Orders a column by the mean row of the neighbours in columns already placed; equals keep their order.
function ordered(column: string[], neighbours: Map<string, string[]>, rows: Map<string, number>): string[] {
  const weight = new Map(
    column.map((id, index) => {
      const placed = (neighbours.get(id) ?? []).flatMap((other) => rows.get(other) ?? []);
      return [id, mean(placed) ?? rows.get(id) ?? index];
    }),
  );
  return [...column].sort((left, right) => weight.get(left)! - weight.get(right)! || left.localeCompare(right));
}

export function layout(nodes: LayoutNode[], edges: LayoutEdge[], sizes: Pick<Sizes, 'columnPx' | 'rowPx'>): Placed[] {
  const known = new Set(nodes.map((node) => node.id));
  const inputs = new Map<string, string[]>();
  const outputs = new Map<string, string[]>();
  for (const edge of edges) {
    if (!known.has(edge.from) || !known.has(edge.to) || edge.from === edge.to) continue;
    inputs.set(edge.to, [...(inputs.get(edge.to) ?? []), edge.from]);
    outputs.set(edge.from, [...(outputs.get(edge.from) ?? []), edge.to]);
  }
  const depths = depthsOf(nodes, inputs);
  const columns: string[][] = [];
  for (const node of [...nodes].sort((left, right) => left.id.localeCompare(right.id))) {
    (columns[depths.get(node.id)!] ??= []).push(node.id);
  }
  const rows = new Map<string, number>();
  const place = (index: number, neighbours: Map<string, string[]>) => {
    columns[index] = ordered(columns[index] ?? [], neighbours, rows);
    const start = -(columns[index].length - 1) / 2;
    columns[index].forEach((id, row) => rows.set(id, start + row));
  };
  for (let sweep = 0; sweep < 3; sweep += 1) {
    for (let index = 0; index < columns.length; index += 1) place(index, inputs);
    for (let index = columns.length - 1; index >= 0; index -= 1) place(index, outputs);
  }
  for (let index = 0; index < columns.length; index += 1) place(index, sweepEnd(inputs, outputs));
  return columns.flatMap((column, index) =>
    column.map((id) => ({ id, column: index, x: index * sizes.columnPx, y: rows.get(id)! * sizes.rowPx })),
  );
}

// The last pass looks both ways, so that a column between two others suits both.
function sweepEnd(inputs: Map<string, string[]>, outputs: Map<string, string[]>): Map<string, string[]> {
  const both = new Map(inputs);
  for (const [id, others] of outputs) both.set(id, [...(both.get(id) ?? []), ...others]);
  return both;
}

export function boundsOf(places: Placed[], sizes: Sizes): Bounds {
  if (places.length === 0) return { left: 0, top: 0, width: 0, height: 0 };
  const left = Math.min(...places.map((place) => place.x));
  const top = Math.min(...places.map((place) => place.y));
  const width = Math.max(...places.map((place) => place.x)) - left + sizes.cardWidth;
  return { left, top, width, height: Math.max(...places.map((place) => place.y)) - top + sizes.cardHeight };
}

// The whole of it, no larger than life.
export function zoomFor(bounds: Bounds, width: number, height: number, sizes: Sizes): number {
  const across = (width - 2 * sizes.marginPx) / Math.max(1, bounds.width);
  return Math.min(1, across, (height - 2 * sizes.marginPx) / Math.max(1, bounds.height));
}
