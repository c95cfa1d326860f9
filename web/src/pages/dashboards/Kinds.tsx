// What a tile shows of its rows, by its kind.
import { ActionIcon } from '@mantine/core';
import { useMemo, useState, type MouseEvent } from 'react';
import { useShapes } from '../../api/queries';
import type { Cell, Dashboard, Tile, TileData } from '../../api/types';
import { Chart, Drawing, xText, type Pick, type Picture } from '../../design/chart';
import type { Palette } from '../../design/chart/palette';
import { cellText, formatNumber, isNumeric } from '../../design/format';
import { Grid } from '../../design/grid';
import { numberOf } from '../../design/number';
import type { Drawable } from './draw/drawable';
import { heatOf, heatOptions } from './draw/heat';
import { mapOptions, unknownShapes, type Shapes } from './draw/map';
import { largeNumberOf } from './draw/number';
import { groupsOf, scatterOptions } from './draw/points';
import { stepsOf } from './draw/steps';
import { xyOf } from './draw/xy';
import { writersOf } from './formats';
import { MapShapes } from './MapShapes';
import { pivotOf } from './pivot';

// A row of the result that was picked, and where on the screen.
export interface Picked {
  row: number;
  x: number;
  y: number;
}
export interface KindProps {
  dashboard: Dashboard;
  tile: Tile;
  data: TileData;
  onPick?: ((picked: Picked) => void) | undefined;
  onDrawn?: ((picture: Picture | null) => void) | undefined;
}

const kPivotRowsMax = 300;
const kPivotColumnsMax = 60;

export function NumberTile({ tile, data }: KindProps) {
  const { text, compared } = largeNumberOf(tile, data);
  return (
    <>
      <div className="tile-number" title={cellText(data.rows[0]?.[0])}>
        {text ?? <span className="null">no value</span>}
      </div>
      {compared && <p className="soft small tile-compared">{compared}</p>}
    </>
  );
}

// Which row of the result a mark of a line or bar chart is.
function rowOf(data: TileData, x: string | undefined, series: string | undefined, isLong: boolean): number {
  return data.rows.findIndex(
    (row) => xText(row[0], data.columns[0]?.type ?? '') === x && (!isLong || cellText(row[1]) === series),
  );
}

export function XyTile({ tile, data, onPick, onDrawn }: KindProps) {
  const { look: tileLook, kind } = tile;
  const { chart, look } = useMemo(() => xyOf({ look: tileLook }, data), [tileLook, data]);
  if (chart.series.length === 0) return <p className="faint">The SELECT has no number to draw.</p>;
  const isLong = data.columns.length === 3 && !isNumeric(data.columns[1]!.type);
  const pick = ({ at, series, x, y }: Pick) => {
    const row = rowOf(data, chart.x[at], chart.series[series]?.name, isLong);
    if (row >= 0) onPick?.({ row, x, y });
  };
  const names = `${chart.x[0] ?? ''} to ${chart.x.at(-1) ?? ''}`;
  const drawn = chart.series.map((one) => one.name).join(', ');
  const label = `${tile.title}: ${kind} chart of ${drawn}, ${chart.x.length} values, ${names}`;
  return (
    <Chart
      kind={kind === 'line' || kind === 'area' ? kind : 'bar'}
      data={chart}
      look={look}
      label={label}
      onPick={onPick && pick}
      onDrawn={onDrawn}
    />
  );
}

export function ScatterTile({ tile, data, onPick, onDrawn }: KindProps) {
  const drawable = useMemo<Drawable>(() => ({ ...data, look: tile.look }), [data, tile.look]);
  const draw = useMemo(() => (palette: Palette) => scatterOptions(drawable, palette), [drawable]);
  const groups = useMemo(() => groupsOf(drawable), [drawable]);
  const pick = ({ series, at, x, y }: Pick) => {
    const point = groups[series]?.[1][at];
    if (point) onPick?.({ row: point.row, x, y });
  };
  const axes = data.columns.slice(0, 2).map((column) => column.name);
  const label = `${tile.title}: points of ${axes.join(' against ')}, ${data.rows.length} of them`;
  return <Drawing draw={draw} label={label} onPick={onPick && pick} onDrawn={onDrawn} />;
}

export function HeatTile({ tile, data, onPick, onDrawn }: KindProps) {
  const drawable = useMemo<Drawable>(() => ({ ...data, look: tile.look }), [data, tile.look]);
  const draw = useMemo(() => (palette: Palette, width: number) => heatOptions(drawable, palette, width), [drawable]);
  const heat = useMemo(() => heatOf(drawable), [drawable]);
  const pick = ({ at, x, y }: Pick) => onPick?.({ row: heat.cells[at]?.row ?? 0, x, y });
  const label = `${tile.title}: heat map, ${heat.xs.length} by ${heat.ys.length}, from ${heat.least} to ${heat.most}`;
  return <Drawing draw={draw} label={label} onPick={onPick && pick} onDrawn={onDrawn} />;
}

function DrawnMap(props: KindProps & { shapes: Shapes; geo: unknown }) {
  const { tile, data, shapes, geo, onPick, onDrawn } = props;
  const [picture, setPicture] = useState<Picture | null>(null);
  const drawable = useMemo<Drawable>(() => ({ ...data, look: tile.look }), [data, tile.look]);
  const draw = useMemo(() => (palette: Palette) => mapOptions(drawable, palette, shapes), [drawable, shapes]);
  const map = useMemo(() => ({ name: shapes.name, shapes: geo }), [shapes, geo]);
  const unknown = useMemo(() => unknownShapes(drawable, shapes), [drawable, shapes]);
  const options = useMemo(() => draw({ scale: [], series: [] } as unknown as Palette), [draw]);
  const marks = (options.series as { data: { row: number }[] }[])[0]?.data ?? [];
  const pick = ({ at, x, y }: Pick) => {
    const row = marks[at]?.row;
    if (row !== undefined) onPick?.({ row, x, y });
  };
  return (
    <div className="map-tile">
      <Drawing
        draw={draw}
        map={map}
        label={`${tile.title}: map of ${data.rows.length} places`}
        onPick={onPick && pick}
        onDrawn={(made) => {
          setPicture(made);
          onDrawn?.(made);
        }}
      />
      <div className="map-zoom">
        <ActionIcon size="sm" variant="default" aria-label="Closer" onClick={() => picture?.zoom(1.5)}>
          +
        </ActionIcon>
        <ActionIcon size="sm" variant="default" aria-label="Farther" onClick={() => picture?.zoom(1 / 1.5)}>
          −
        </ActionIcon>
      </div>
      {unknown.length > 0 && (
        <p className="map-note small" title={unknown.slice(0, 50).join(', ')}>
          not on the map: {unknown.slice(0, 3).join(', ')}
          {unknown.length > 3 && ` and ${unknown.length - 3} more`}
        </p>
      )}
    </div>
  );
}

export function MapTile(props: KindProps) {
  const { dashboard, tile } = props;
  const own = useShapes(dashboard, tile.look.shapes);
  if (tile.look.shapes && own.isError) return <p className="faint">{own.error.message}</p>;
  return (
    <MapShapes name={tile.look.shapes} geo={own.data} propertyName={tile.look.shape_key ?? 'name'} scope={dashboard}>
      {(shapes, geo) => <DrawnMap {...props} shapes={shapes} geo={geo} />}
    </MapShapes>
  );
}

export function TableTile({ tile, data }: KindProps) {
  const writers = useMemo(() => writersOf(tile.look, data.columns, data.rows), [tile.look, data]);
  return (
    <Grid label={tile.title} columns={data.columns} rows={data.rows} numbered={false} forReading writers={writers} />
  );
}

function PivotCell({
  value,
  write,
  onPick,
}: {
  value: Cell | undefined;
  write: (value: number) => string;
  onPick?: ((event: MouseEvent) => void) | undefined;
}) {
  const number = numberOf(value);
  return (
    <td className="number" onClick={onPick}>
      {value === undefined ? (
        ''
      ) : value === null ? (
        <span className="null">NULL</span>
      ) : number === null ? (
        cellText(value)
      ) : (
        write(number)
      )}
    </td>
  );
}

export function PivotTile({ tile, data, onPick }: KindProps) {
  const pivot = useMemo(() => pivotOf(data.columns, data.rows), [data]);
  const last = data.columns.length - 1;
  if (last < 2) return <p className="faint">A pivot needs a row’s name, a column’s name and a value.</p>;
  const write = writersOf(tile.look, data.columns, data.rows)[last] ?? formatNumber;
  const columns = pivot.columns.slice(0, kPivotColumnsMax);
  const isCut = pivot.rows.length > kPivotRowsMax || pivot.columns.length > kPivotColumnsMax;
  return (
    <div className="pivot" tabIndex={0} role="region" aria-label={`${tile.title}: pivot table`}>
      <table>
        <thead>
          <tr>
            {pivot.heads.map((head, index) => (
              <th key={index} scope="col">
                {head}
              </th>
            ))}
            {columns.map((name, index) => (
              <th key={index} scope="col" className="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {pivot.rows.slice(0, kPivotRowsMax).map((row, index) => (
            <tr key={index}>
              {row.names.map((name, at) => (
                <th key={at} scope="row">
                  {name}
                </th>
              ))}
              {columns.map((_, at) => {
                const place = row.cells[at] ?? null;
                const pick =
                  place === null || !onPick
                    ? undefined
                    : (event: MouseEvent) => onPick({ row: place, x: event.clientX, y: event.clientY });
                return (
                  <PivotCell
                    key={at}
                    value={place === null ? undefined : data.rows[place]?.[last]}
                    write={write}
                    onPick={pick}
                  />
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {isCut && (
        <p className="faint small">
          The first {kPivotRowsMax} rows and {kPivotColumnsMax} columns.
        </p>
      )}
    </div>
  );
}

export function FunnelTile({ tile, data, onPick }: KindProps) {
  const steps = useMemo(() => stepsOf(tile, data), [tile, data]);
  return (
    <ol className="funnel" aria-label={`${tile.title}: funnel`}>
      {steps.map((step, index) => (
        <li key={index}>
          <span className="funnel-name">{step.name}</span>
          <button
            type="button"
            className="funnel-bar"
            style={{ width: `${100 * step.share}%` }}
            aria-label={`${step.name}: ${step.count}`}
            onClick={(event) => onPick?.({ row: index, x: event.clientX, y: event.clientY })}
          />
          <span className="funnel-count">
            <strong>{step.count}</strong>
            {step.lost && <span className="faint small">{step.lost}</span>}
          </span>
        </li>
      ))}
    </ol>
  );
}
