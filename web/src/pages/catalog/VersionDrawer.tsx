// What one version of a dataset was made from: the versions of its inputs, down to raw objects.
import { Drawer } from '@mantine/core';
import { Link } from 'wouter';
import { ApiError } from '../../api/client';
import { useVersionInputs, useVersionRows } from '../../api/queries';
import type { Cell, DatasetVersion } from '../../api/types';
import { Values } from '../../design/values';
import { formatBytes, formatCount, formatExact } from '../../design/format';
import { Grid } from '../../design/grid';
import { Facts } from '../../design/page';
import { ErrorState, Loaded, Loading } from '../../design/states';
import { kRun } from '../sql/store';
import { hrefOfDataset, hrefOfQuery, nameOf, quoted } from './names';

function Inputs({ schema, name, version }: { schema: string; name: string; version: string }) {
  const inputs = useVersionInputs(schema, name, version);
  if (inputs.isPending) return <Loading lines={3} />;
  if (inputs.isError) {
    const unknown = inputs.error instanceof ApiError && inputs.error.status === 404;
    return unknown ? <p className="soft">Its inputs are not recorded.</p> : <ErrorState error={inputs.error} />;
  }
  const { inputs: tables, objects } = inputs.data;
  return (
    <div className="stack">
      {tables.map((input) => (
        <Link
          key={nameOf(input)}
          href={hrefOfDataset(input, 'versions') + `&version=${encodeURIComponent(input.version)}`}
          className="data"
        >
          {nameOf(input)} @ {input.version}
        </Link>
      ))}
      {objects.map((object) => (
        <code key={object}>{object}</code>
      ))}
      {tables.length + objects.length === 0 && <p className="soft">Nothing was read to make it.</p>}
    </div>
  );
}

// They stand under “Made from”.
function withoutInputs(details: Cell): Cell {
  if (details === null || typeof details !== 'object' || Array.isArray(details)) return details;
  return Object.fromEntries(Object.entries(details).filter(([key]) => key !== 'inputs'));
}

// The rows as they were then.
function Then({ sql }: { sql: string }) {
  const rows = useVersionRows(sql);
  return (
    <Loaded query={rows} lines={4}>
      {(data) => (
        <div className="framed" style={{ height: Math.min(264, data.rows.length * 28 + 60) }}>
          <Grid label="Rows of this version" columns={data.columns} rows={data.rows} />
        </div>
      )}
    </Loaded>
  );
}

export function VersionDrawer(props: {
  schema: string;
  name: string;
  version: DatasetVersion | undefined;
  onClose: () => void;
}) {
  const { schema, name, version, onClose } = props;
  const from = `SELECT *\nFROM ${quoted(schema)}.${quoted(name)} AT (VERSION => ${version?.version})\nLIMIT `;
  return (
    <Drawer
      opened={version !== undefined}
      onClose={onClose}
      title={`${schema}.${name}, version ${version?.version ?? ''}`}
    >
      {version && (
        <div className="stack wide-gap">
          <Facts
            facts={[
              ['Committed', formatExact(version.committed_at)],
              ['Operation', version.operation],
              ['By', version.principal || '–'],
              [
                'Run',
                version.run_id ? (
                  <Link key="run" href={`/runs/${version.run_id}`}>
                    {version.run_id}
                  </Link>
                ) : (
                  '–'
                ),
              ],
              ['Rows', formatCount(version.rows)],
              ['Added', formatCount(version.rows_added)],
              ['Size', formatBytes(version.bytes)],
            ]}
          />
          <div className="row">
            <h3 className="grow">The rows as they were</h3>
            <Link href={hrefOfQuery(from + '100')} state={kRun}>
              Query this version
            </Link>
          </div>
          <Then sql={from + '20'} />
          <h3>Made from</h3>
          <Inputs schema={schema} name={name} version={version.version} />
          <Values title="Details" value={withoutInputs(version.details)} />
        </div>
      )}
    </Drawer>
  );
}
