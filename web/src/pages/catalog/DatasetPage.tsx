// One dataset: columns, a preview, its versions, where it comes from, and the SQL that makes it.
import type { ReactNode } from 'react';
import { Tabs } from '@mantine/core';
import { Link, useSearchParams } from 'wouter';
import { useDataset, usePreview, useRuns, useTasks, useVersions, useWorkspace } from '../../api/queries';
import type { DatasetCache, DatasetDetail, DatasetVersion } from '../../api/types';
import { CopyButton } from '../../design/copy';
import { formatBytes, formatCount, plural, toCsv } from '../../design/format';
import { Grid } from '../../design/grid';
import { Facts, Page } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { SqlText } from '../../design/editor/SqlText';
import { Table } from '../../design/table';
import { Ago, Said } from '../../design/time';
import { RunsTable } from '../runs/RunsTable';
import { LineageTab } from './LineageTab';
import { nameOf, quoted } from './names';
import { VersionDrawer } from './VersionDrawer';
import { OpenInSql } from '../sql/OpenInSql';

function Columns({ dataset }: { dataset: DatasetDetail }) {
  if (dataset.columns.length === 0) {
    return <Empty title="No columns are known">The dataset has not been written yet, or you may not read it.</Empty>;
  }
  return (
    <Table
      label="Columns"
      rows={dataset.columns}
      keyOf={(column) => column.name}
      columns={[
        { key: 'name', title: 'Column', data: true, cell: (column) => column.name },
        {
          key: 'type',
          title: 'Type',
          data: true,
          cell: (column) => <span className="soft">{column.type.toLowerCase()}</span>,
        },
        { key: 'null', title: 'May be NULL', narrow: true, cell: (column) => (column.nullable ? 'yes' : 'no') },
        { key: 'description', title: 'What it is', wide: true, cell: (column) => column.description },
      ]}
    />
  );
}

function Preview({ schema, name }: { schema: string; name: string }) {
  const preview = usePreview(schema, name);
  return (
    <Loaded query={preview} lines={8}>
      {(data) =>
        data.rows.length === 0 ? (
          <Empty title="No rows">The dataset is there, and holds nothing yet.</Empty>
        ) : (
          <>
            <div className="row pad">
              <span className="faint grow">The first {plural(data.rows.length, 'row')}, as you may see them</span>
              <CopyButton
                text={() =>
                  toCsv(
                    data.columns.map((column) => column.name),
                    data.rows,
                  )
                }
              >
                Copy as CSV
              </CopyButton>
            </div>
            <div style={{ height: Math.min(560, data.rows.length * 28 + 60) }}>
              <Grid label="Preview" columns={data.columns} rows={data.rows} />
            </div>
          </>
        )
      }
    </Loaded>
  );
}

function Versions({ schema, name }: { schema: string; name: string }) {
  const versions = useVersions(schema, name);
  const [parameters, setParameters] = useSearchParams();
  const chosen = parameters.get('version') ?? '';
  const open = (version: string) => setParameters({ tab: 'versions', ...(version ? { version } : {}) });
  return (
    <Loaded query={versions}>
      {(list) =>
        list.length === 0 ? (
          <Empty title="No versions">It was never written, or it keeps none.</Empty>
        ) : (
          <>
            <Table<DatasetVersion>
              label="Versions"
              rows={list}
              keyOf={(version) => version.version}
              current={chosen}
              onOpen={(version) => open(version.version)}
              columns={[
                { key: 'version', title: 'Version', data: true, cell: (row) => row.version },
                { key: 'at', title: 'Committed', cell: (row) => <Ago time={row.committed_at} /> },
                { key: 'operation', title: 'Operation', cell: (row) => row.operation },
                { key: 'who', title: 'By', narrow: true, cell: (row) => row.principal },
                {
                  key: 'run',
                  title: 'Run',
                  cell: (row) => row.run_id && <Link href={`/runs/${row.run_id}`}>{row.run_id}</Link>,
                },
                { key: 'rows', title: 'Rows', number: true, cell: (row) => formatCount(row.rows) },
                {
                  key: 'added',
                  title: 'Added',
                  number: true,
                  narrow: true,
                  cell: (row) => formatCount(row.rows_added),
                },
                { key: 'bytes', title: 'Size', number: true, narrow: true, cell: (row) => formatBytes(row.bytes) },
              ]}
            />
            <VersionDrawer
              schema={schema}
              name={name}
              version={list.find((row) => row.version === chosen)}
              onClose={() => open('')}
            />
          </>
        )
      }
    </Loaded>
  );
}

function Definition({ dataset, file }: { dataset: DatasetDetail; file: string }) {
  const workspace = useWorkspace();
  if (!dataset.sql && !file) return <Empty title="Defined by the program">System tables have no file.</Empty>;
  if (dataset.sql) return <SqlText text={dataset.sql} />;
  return (
    <Loaded query={workspace}>
      {(data) => {
        const text = data.definitions.find((definition) => definition.file === file)?.text;
        return text ? <SqlText text={text} /> : <Empty title={file}>The text of the file is not at hand.</Empty>;
      }}
    </Loaded>
  );
}

function DatasetRuns({ dataset }: { dataset: DatasetDetail }) {
  const tasks = useTasks();
  const task = tasks.data?.find((each) => each.dataset === nameOf(dataset));
  const runs = useRuns({ task: task?.id ?? '-', state: '', before: '', limit: 50 });
  if (tasks.data && !task) return <Empty title="No task makes it">It is filled by the program itself.</Empty>;
  return (
    <>
      {task && (
        <p className="pad soft">
          <Said text={task.why} />
        </p>
      )}
      <Loaded query={runs}>{(list) => <RunsTable runs={list} />}</Loaded>
    </>
  );
}

// Which version is cached and how old it is, or why there is none; how many reads it answered.
function CacheFact({ cache }: { cache: DatasetCache }) {
  const asked = cache.hits + cache.misses;
  const answered =
    asked === 0 ? 'not read yet' : `${Math.floor((100 * cache.hits) / asked)} % of ${formatCount(asked)} reads`;
  if (!cache.version)
    return (
      <span title={cache.reason}>
        {cache.state}: {cache.reason}
      </span>
    );
  return (
    <span title={cache.reason || `built in ${cache.build_seconds.toFixed(2)} s`}>
      version {cache.version}, {formatBytes(cache.bytes)}, <Ago time={cache.built_at} />; {answered}
      {cache.state !== 'ready' && `; ${cache.state}`}
    </span>
  );
}

function Detail({ dataset, file }: { dataset: DatasetDetail; file: string }) {
  const [parameters, setParameters] = useSearchParams();
  const tab = parameters.get('tab') ?? 'columns';
  const isSql = dataset.sql !== undefined || file.endsWith('.sql');
  return (
    <>
      <Facts
        facts={[
          ['Rows', formatCount(dataset.rows)],
          ['Size', formatBytes(dataset.bytes)],
          ['Version', dataset.version || '–'],
          ['Updated', <Ago key="updated" time={dataset.updated_at} />],
          ...(dataset.owner ? [['Owner', dataset.owner] as [string, string]] : []),
          ['Kind', dataset.kind],
          ...(dataset.cache ? [['Cache', <CacheFact key="cache" cache={dataset.cache} />] as [string, ReactNode]] : []),
        ]}
      />
      {dataset.problem && <ErrorState error={new Error(dataset.problem)} />}
      <section className="section" aria-label={tab}>
        <Tabs value={tab} onChange={(value) => setParameters({ tab: value ?? 'columns' })}>
          <Tabs.List>
            <Tabs.Tab value="columns">Columns</Tabs.Tab>
            <Tabs.Tab value="preview">Preview</Tabs.Tab>
            <Tabs.Tab value="versions">Versions</Tabs.Tab>
            <Tabs.Tab value="lineage">Lineage</Tabs.Tab>
            <Tabs.Tab value="runs">Runs</Tabs.Tab>
            {file && <Tabs.Tab value="sql">{isSql ? 'SQL' : 'Definition'}</Tabs.Tab>}
          </Tabs.List>
          <Tabs.Panel value="columns">
            <Columns dataset={dataset} />
          </Tabs.Panel>
          <Tabs.Panel value="preview">
            <Preview schema={dataset.schema} name={dataset.name} />
          </Tabs.Panel>
          <Tabs.Panel value="versions">
            <Versions schema={dataset.schema} name={dataset.name} />
          </Tabs.Panel>
          <Tabs.Panel value="lineage">
            <LineageTab schema={dataset.schema} name={dataset.name} />
          </Tabs.Panel>
          <Tabs.Panel value="runs">
            <DatasetRuns dataset={dataset} />
          </Tabs.Panel>
          <Tabs.Panel value="sql">
            <Definition dataset={dataset} file={file} />
          </Tabs.Panel>
        </Tabs>
      </section>
    </>
  );
}

export default function DatasetPage({ schema, name }: { schema: string; name: string }) {
  const dataset = useDataset(schema, name);
  const full = `${schema}.${name}`;
  const sql = `SELECT *\nFROM ${quoted(schema)}.${quoted(name)}\nLIMIT 100`;
  const tasks = useTasks();
  const made = tasks.data?.find((task) => task.dataset === full);
  const file = dataset.data?.defined_in.split(':')[0] || made?.file || '';
  return (
    <Page
      title={full}
      copy={full}
      above={{ text: 'Catalog', href: '/catalog' }}
      subtitle={dataset.data?.description}
      status={dataset.data?.tags.map((tag) => (
        <span key={tag} className="tag">
          {tag}
        </span>
      ))}
      behind={{ api: `/catalog/${schema}/${name}`, ...(file ? { file } : {}) }}
      action={dataset.data && <OpenInSql sql={sql}>Query this</OpenInSql>}
    >
      <Loaded query={dataset}>{(data) => <Detail dataset={data} file={file} />}</Loaded>
    </Page>
  );
}
