// What one version of a dataset was made from: the versions of its inputs, down to raw objects.
import { Drawer } from '@mantine/core';
import { Link } from 'wouter';
import { ApiError } from '../../api/client';
import { useVersionInputs } from '../../api/queries';
import type { DatasetVersion } from '../../api/types';
import { Values } from '../../design/values';
import { formatBytes, formatCount, formatExact } from '../../design/format';
import { Facts } from '../../design/page';
import { ErrorState, Loading } from '../../design/states';
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

export function VersionDrawer(props: {
  schema: string;
  name: string;
  version: DatasetVersion | undefined;
  onClose: () => void;
}) {
  const { schema, name, version, onClose } = props;
  const sql = `SELECT *\nFROM ${quoted(schema)}.${quoted(name)} AT (VERSION => ${version?.version})\nLIMIT 100`;
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
          <Link href={hrefOfQuery(sql)}>Query this version</Link>
          <h3>Made from</h3>
          <Inputs schema={schema} name={name} version={version.version} />
          {version.details !== null && <Values title="Details" value={version.details} />}
        </div>
      )}
    </Drawer>
  );
}
