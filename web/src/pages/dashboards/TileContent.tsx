// What a tile shows of its data.
import type { ReactNode } from 'react';
import {
  FunnelTile,
  HeatTile,
  MapTile,
  NumberTile,
  PivotTile,
  ScatterTile,
  TableTile,
  XyTile,
  type KindProps,
} from './Kinds';

const kDrawn: Record<string, (props: KindProps) => ReactNode> = {
  line: XyTile,
  area: XyTile,
  bar: XyTile,
  scatter: ScatterTile,
  heatmap: HeatTile,
  map: MapTile,
  pivot: PivotTile,
  funnel: FunnelTile,
};

export function TileContent(props: KindProps & { asTable?: boolean }) {
  const { tile, data, asTable } = props;
  if (tile.kind === 'number' && !asTable) return <NumberTile {...props} />;
  if (data.rows.length === 0) return <p className="faint">No rows.</p>;
  const Drawn = asTable ? undefined : kDrawn[tile.kind];
  return Drawn ? <Drawn {...props} /> : <TableTile {...props} />;
}
