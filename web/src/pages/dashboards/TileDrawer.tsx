// What is behind a tile: its SQL as it was run, the rows it was made of, the tables and versions it read, and where
// they come from.
import { Button, Drawer } from '@mantine/core';
import { Link } from 'wouter';
import { useTile, useTileRows } from '../../api/queries';
import type { Dashboard, Tile, TileData } from '../../api/types';
import { SqlText } from '../../design/editor/SqlText';
import { plural } from '../../design/format';
import { Grid } from '../../design/grid';
import { BehindLink } from '../../design/page';
import { Loaded } from '../../design/states';
import { Table } from '../../design/table';
import { hrefOfDataset, nameOf } from '../catalog/names';
import { OpenInSql } from '../sql/OpenInSql';
import { shownValue, type Chosen } from './chosen';

function Reads({ data }: { data: TileData }) {
  return (
    <div className="section">
      <Table
        label="Tables read"
        rows={data.reads}
        keyOf={(read) => nameOf(read)}
        columns={[
          {
            key: 'table',
            title: 'Reads',
            data: true,
            wide: true,
            cell: (read) => <Link href={hrefOfDataset(read)}>{nameOf(read)}</Link>,
          },
          {
            key: 'version',
            title: 'Version',
            data: true,
            cell: (read) => <Link href={hrefOfDataset(read, 'versions')}>{read.version || 'newest'}</Link>,
          },
          { key: 'lineage', title: '', cell: (read) => <Link href={hrefOfDataset(read, 'lineage')}>Lineage</Link> },
        ]}
      />
    </div>
  );
}

function FilterWords({ dashboard, data, chosen }: { dashboard: Dashboard; data: TileData; chosen: Chosen }) {
  const valueOf = (name: string) => {
    const initial = dashboard.filters.find((filter) => filter.name === name)?.default ?? '';
    const values = chosen.get(name) ?? (initial === '' ? [] : [initial]);
    return values.map(shownValue).join(' or ');
  };
  const said = [
    ...data.filters_applied.map((name) => `${name} = ${valueOf(name)}`),
    ...data.filters_ignored.map((name) => `${name} does not apply: the tile does not read its table`),
  ];
  return said.length === 0 ? null : <p className="soft">{said.join(' · ')}</p>;
}

function markWords(tile: Tile, data: TileData | undefined, mark: string): string {
  try {
    const pairs = JSON.parse(mark) as [number, string | null][];
    return pairs
      .map(([column, value]) => `${data?.columns[column]?.name ?? `column ${column}`} = ${value ?? 'NULL'}`)
      .join(', ');
  } catch {
    return tile.title;
  }
}

interface BehindProps {
  dashboard: Dashboard;
  tile: Tile;
  chosen: Chosen;
}

function Rows({ dashboard, tile, chosen, data }: BehindProps & { data: TileData }) {
  const mark = chosen.own('mark');
  const rows = useTileRows(dashboard, tile.index, chosen.query, mark ?? '[]', mark !== null);
  if (mark === null) {
    return (
      <div>
        <Button variant="default" onClick={() => chosen.setOwn({ mark: '[]' })}>
          Show its rows
        </Button>
      </div>
    );
  }
  const words = mark === '[]' ? '' : `of ${markWords(tile, data, mark)}`;
  return (
    <div className="section rows-behind">
      <header>
        <h2>Rows behind {words}</h2>
        <span className="grow" />
        <Button variant="subtle" onClick={() => chosen.setOwn({ mark: null })}>
          Hide
        </Button>
      </header>
      <Loaded query={rows}>
        {(behind) => (
          <>
            <Grid label="Rows behind" columns={behind.columns} rows={behind.rows} />
            <div className="row">
              <span className="faint small">
                {behind.truncated ? 'the first ' : ''}
                {plural(behind.rows.length, 'row')}
              </span>
              <OpenInSql sql={behind.sql}>These rows in SQL</OpenInSql>
            </div>
          </>
        )}
      </Loaded>
    </div>
  );
}

function Behind({ dashboard, tile, chosen }: BehindProps) {
  const tileData = useTile(dashboard, tile.index, chosen.query);
  return (
    <div className="stack wide-gap drawer-sql">
      {tile.description && <p className="soft">{tile.description}</p>}
      <Loaded query={tileData}>
        {(data) => (
          <>
            <FilterWords dashboard={dashboard} data={data} chosen={chosen} />
            <SqlText text={data.sql} />
            <div className="row">
              <OpenInSql sql={data.sql}>Open in SQL</OpenInSql>
              <span className="faint small">
                {plural(data.rows.length, 'row')}
                {data.truncated && ', cut'} · times in {data.time_zone}
                {data.from_cache && ' · known from before, of the same versions'}
              </span>
            </div>
            <Rows dashboard={dashboard} tile={tile} chosen={chosen} data={data} />
            <Reads data={data} />
          </>
        )}
      </Loaded>
      <BehindLink
        {...(dashboard.file ? { file: dashboard.file } : {})}
        api={`/dashboards/${dashboard.use_case}/${dashboard.name}/tiles/${tile.index}`}
      />
    </div>
  );
}

export function TileDrawer({ dashboard, chosen }: { dashboard: Dashboard; chosen: Chosen }) {
  const tile = dashboard.tiles.find((one) => String(one.index) === chosen.own('tile') && one.kind !== 'text');
  const isWide = chosen.own('mark') !== null;
  return (
    <Drawer
      opened={tile !== undefined}
      onClose={() => chosen.setOwn({ tile: null, mark: null })}
      title={tile?.title}
      size={isWide ? 900 : 560}
    >
      {tile && <Behind dashboard={dashboard} tile={tile} chosen={chosen} />}
    </Drawer>
  );
}
