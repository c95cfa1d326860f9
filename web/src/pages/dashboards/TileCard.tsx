// A tile: a number, a chart or a table; its menu leads to what is behind it.
import { ActionIcon, Menu } from '@mantine/core';
import { useMemo } from 'react';
import { useLocation } from 'wouter';
import { useTile } from '../../api/queries';
import type { Dashboard, Tile, TileData } from '../../api/types';
import { Chart, chartData } from '../../design/chart';
import { copyText } from '../../design/copy';
import { cellText, formatNumber, toCsv } from '../../design/format';
import { Grid } from '../../design/grid';
import { Icon } from '../../design/icons';
import { numberOf } from '../../design/number';
import { Loaded } from '../../design/states';
import { hrefOfQuery } from '../catalog/names';
import { kRun } from '../sql/store';

function NumberTile({ data }: { data: TileData }) {
  const value = data.rows[0]?.[0];
  const number = numberOf(value);
  return (
    <div className="tile-number" title={cellText(value)}>
      {value === undefined || value === null ? (
        <span className="null">no value</span>
      ) : number === null ? (
        cellText(value)
      ) : (
        formatNumber(number)
      )}
    </div>
  );
}

export function TileContent({ tile, data }: { tile: Tile; data: TileData }) {
  const chart = useMemo(() => chartData(data.columns, data.rows), [data]);
  if (tile.kind === 'number') return <NumberTile data={data} />;
  if (data.rows.length === 0) return <p className="faint">No rows.</p>;
  if (tile.kind === 'table')
    return <Grid label={tile.title} columns={data.columns} rows={data.rows} numbered={false} forReading />;
  if (chart.series.length === 0) return <p className="faint">The SELECT has no number to draw.</p>;
  return <Chart kind={tile.kind} data={chart} label={`${tile.title}: ${tile.kind} chart`} />;
}

interface TileProps {
  dashboard: Dashboard;
  tile: Tile;
  span: number;
  filters: Record<string, string>;
  onOpen: () => void;
}

function TileMenu({ tile, data, onOpen }: { tile: Tile; data: TileData | undefined; onOpen: () => void }) {
  const [, navigate] = useLocation();
  return (
    <Menu position="bottom-end" shadow="md" width={200}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`What is behind ${tile.title}`}>
          <Icon name="more" size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={onOpen}>What is behind it</Menu.Item>
        <Menu.Item onClick={() => navigate(hrefOfQuery(data?.sql ?? tile.sql), { state: kRun })}>Open in SQL</Menu.Item>
        {tile.reads.map((read) => (
          <Menu.Item key={read} onClick={() => navigate(`/catalog/${read.replace('.', '/')}?tab=lineage`)}>
            Lineage of {read}
          </Menu.Item>
        ))}
        {data && (
          <Menu.Item
            onClick={() =>
              void copyText(
                toCsv(
                  data.columns.map((column) => column.name),
                  data.rows,
                ),
              )
            }
          >
            Copy as CSV
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

export function TileCard({ dashboard, tile, span, filters, onOpen }: TileProps) {
  const data = useTile(dashboard, tile.index, filters);
  const ignored = data.data?.filters_ignored ?? Object.keys(filters).filter((name) => !tile.filters.includes(name));
  return (
    <section className={`tile ${tile.kind} span-${span}`} aria-label={tile.title} aria-busy={data.isFetching}>
      <header>
        <button type="button" className="tile-title" onClick={onOpen} title={tile.description || 'What is behind it'}>
          {tile.title}
        </button>
        <TileMenu tile={tile} data={data.data} onOpen={onOpen} />
      </header>
      <div className="tile-body" onClick={tile.kind === 'table' ? undefined : onOpen}>
        <Loaded query={data} lines={tile.kind === 'number' ? 1 : 4}>
          {(loaded) => <TileContent tile={tile} data={loaded} />}
        </Loaded>
      </div>
      {ignored.length > 0 && (
        <p className="tile-note">
          <Icon name="warning" size={14} />
          {ignored.join(', ')} {ignored.length === 1 ? 'does' : 'do'} not apply here
        </p>
      )}
    </section>
  );
}
