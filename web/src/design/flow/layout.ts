// Where the nodes of a picture of data go: columns from left to right by what they need, rows near their inputs.
// An edge over several columns has a lane of its own in each column between, so that it passes beside the cards.

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
export interface Point {
  x: number;
  y: number;
}
export interface Layout {
  places: Placed[];
  lanes: Map<string, Point[]>; // by the edge's name: where it passes, one point a column between its ends
}
export interface Sizes {
  columnPx: number;
  lanePx: number; // of an edge that passes a column
  rowPx: number;
  cardWidth: number;
  cardHeight: number;
  marginPx: number;
  headPx: number; // above the cards: what stands in a column
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

export const nameOfEdge = (edge: LayoutEdge): string => `${edge.from}→${edge.to}`;

type Neighbours = Map<string, string[]>;

const link = (neighbours: Neighbours, id: string, other: string): unknown =>
  neighbours.set(id, [...(neighbours.get(id) ?? []), other]);

interface Web {
  columns: string[][];
  inputs: Neighbours;
  outputs: Neighbours;
  lanes: Map<string, string[]>; // an edge's name to the lanes it takes
}

// Columns of nodes and lanes, and what neighbours what; every step goes to the next column.
function webOf(nodes: LayoutNode[], edges: LayoutEdge[]): Web {
  const known = new Set(nodes.map((node) => node.id));
  const sound = edges.filter((edge) => known.has(edge.from) && known.has(edge.to) && edge.from !== edge.to);
  const needs: Neighbours = new Map();
  for (const edge of sound) link(needs, edge.to, edge.from);
  const depths = depthsOf(nodes, needs);
  const web: Web = { columns: [], inputs: new Map(), outputs: new Map(), lanes: new Map() };
  for (const node of [...nodes].sort((left, right) => left.id.localeCompare(right.id))) {
    (web.columns[depths.get(node.id)!] ??= []).push(node.id);
  }
  for (const edge of sound) {
    const lanes: string[] = [];
    for (let column = depths.get(edge.from)! + 1; column < depths.get(edge.to)!; column += 1) {
      const lane = `${nameOfEdge(edge)}@${column}`;
      (web.columns[column] ??= []).push(lane);
      lanes.push(lane);
    }
    if (lanes.length > 0) web.lanes.set(nameOfEdge(edge), lanes);
    const way = [edge.from, ...lanes, edge.to];
    way.slice(1).forEach((id, index) => {
      link(web.inputs, id, way[index]!);
      link(web.outputs, way[index]!, id);
    });
  }
  return web;
}

export function layout(
  nodes: LayoutNode[],
  edges: LayoutEdge[],
  sizes: Pick<Sizes, 'columnPx' | 'rowPx' | 'lanePx' | 'cardHeight'>,
): Layout {
  const { columns, inputs, outputs, lanes } = webOf(nodes, edges);
  const real = new Set(nodes.map((node) => node.id));
  const heightOf = (id: string) => (real.has(id) ? sizes.rowPx : sizes.lanePx);
  const middles = new Map<string, number>();
  const place = (index: number, neighbours: Neighbours) => {
    columns[index] = ordered(columns[index] ?? [], neighbours, middles);
    let top = -columns[index].reduce((sum, id) => sum + heightOf(id), 0) / 2;
    for (const id of columns[index]) {
      middles.set(id, top + heightOf(id) / 2);
      top += heightOf(id);
    }
  };
  for (let sweep = 0; sweep < 3; sweep += 1) {
    for (let index = 0; index < columns.length; index += 1) place(index, inputs);
    for (let index = columns.length - 1; index >= 0; index -= 1) place(index, outputs);
  }
  for (let index = 0; index < columns.length; index += 1) place(index, sweepEnd(inputs, outputs));
  const places = columns.flatMap((column, index) =>
    column
      .filter((id) => real.has(id))
      .map((id) => ({ id, column: index, x: index * sizes.columnPx, y: middles.get(id)! - sizes.cardHeight / 2 })),
  );
  const xOf = new Map(columns.flatMap((column, index) => column.map((id) => [id, index * sizes.columnPx])));
  const points = (ids: string[]) => ids.map((id) => ({ x: xOf.get(id)!, y: middles.get(id)! }));
  return { places, lanes: new Map([...lanes].map(([name, ids]) => [name, points(ids)])) };
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
  const top = Math.min(...places.map((place) => place.y)) - sizes.headPx;
  const width = Math.max(...places.map((place) => place.x)) - left + sizes.cardWidth;
  return { left, top, width, height: Math.max(...places.map((place) => place.y)) - top + sizes.cardHeight };
}

// The whole of it, no larger than life.
export function zoomFor(bounds: Bounds, width: number, height: number, sizes: Sizes): number {
  const across = (width - 2 * sizes.marginPx) / Math.max(1, bounds.width);
  return Math.min(1, across, (height - 2 * sizes.marginPx) / Math.max(1, bounds.height));
}
