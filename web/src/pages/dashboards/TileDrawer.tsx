// What is behind a tile: its SQL as it was run, the tables and versions it read, and where they come from.
import { Drawer } from '@mantine/core';
import { Link } from 'wouter';
import { useTile } from '../../api/queries';
import type { Dashboard, Tile, TileData } from '../../api/types';
import { SqlText } from '../../design/editor/SqlText';
import { formatDuration, plural } from '../../design/format';
import { BehindLink } from '../../design/page';
import { Loaded } from '../../design/states';
import { Table } from '../../design/table';
import { hrefOfDataset, nameOf } from '../catalog/names';
import { OpenInSql } from '../sql/OpenInSql';

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

function Filters({ data, filters }: { data: TileData; filters: Record<string, string> }) {
  const said = [
    ...data.filters_applied.map((name) => `${name} = ${filters[name] ?? ''}`),
    ...data.filters_ignored.map((name) => `${name} does not apply: the tile does not read its table`),
  ];
  return said.length === 0 ? null : <p className="soft">{said.join(' · ')}</p>;
}

function Behind({ dashboard, tile, filters }: { dashboard: Dashboard; tile: Tile; filters: Record<string, string> }) {
  const tileData = useTile(dashboard, tile.index, filters);
  return (
    <div className="stack wide-gap drawer-sql">
      {tile.description && <p className="soft">{tile.description}</p>}
      <Loaded query={tileData}>
        {(data) => (
          <>
            <Filters data={data} filters={filters} />
            <SqlText text={data.sql} />
            <div className="row">
              <OpenInSql sql={data.sql}>Open in SQL</OpenInSql>
              <span className="faint small">
                {plural(data.rows.length, 'row')}
                {data.truncated && ', cut'}
                {data.seconds !== undefined && ` in ${formatDuration(data.seconds)}`}
              </span>
            </div>
            <Reads data={data} />
          </>
        )}
      </Loaded>
      <BehindLink
        file={dashboard.file}
        api={`/dashboards/${dashboard.use_case}/${dashboard.name}/tiles/${tile.index}`}
      />
    </div>
  );
}

export function TileDrawer(props: {
  dashboard: Dashboard;
  tile: Tile | undefined;
  filters: Record<string, string>;
  onClose: () => void;
}) {
  return (
    <Drawer opened={props.tile !== undefined} onClose={props.onClose} title={props.tile?.title}>
      {props.tile && <Behind dashboard={props.dashboard} tile={props.tile} filters={props.filters} />}
    </Drawer>
  );
}
