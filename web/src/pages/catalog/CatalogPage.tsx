// Catalog: every dataset that its reader may see, found by name, description, column or tag.
import { Button, SegmentedControl, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useEffect, useState } from 'react';
import { Link, useSearchParams } from 'wouter';
import { useCatalog } from '../../api/queries';
import type { Dataset } from '../../api/types';
import { formatBytes, formatCount, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Page, Section } from '../../design/page';
import { Empty, Loaded } from '../../design/states';
import { Table, type Column } from '../../design/table';
import { Ago } from '../../design/time';
import { iconOf, nameOf } from './names';

const kColumns: Column<Dataset>[] = [
  {
    key: 'name',
    width: 250,
    title: 'Name',
    data: true,
    cell: (dataset) => (
      <span className="with-icon">
        <Icon name={iconOf(dataset.kind)} size={16} />
        {nameOf(dataset)}
      </span>
    ),
  },
  {
    key: 'description',
    title: 'What it is',
    wide: true,
    narrow: true,
    cell: (dataset) => (
      <span title={dataset.description} className="soft">
        {dataset.tags.map((tag) => (
          <span key={tag} className="tag">
            {tag}
          </span>
        ))}{' '}
        {dataset.description}
      </span>
    ),
  },
  { key: 'owner', width: 110, title: 'Owner', narrow: true, cell: (dataset) => dataset.owner },
  { key: 'rows', width: 110, title: 'Rows', number: true, cell: (dataset) => formatCount(dataset.rows) },
  { key: 'bytes', width: 90, title: 'Size', number: true, narrow: true, cell: (dataset) => formatBytes(dataset.bytes) },
  { key: 'updated', width: 110, title: 'Updated', cell: (dataset) => <Ago time={dataset.updated_at} /> },
];

function Groups({ datasets, flat }: { datasets: Dataset[]; flat: boolean }) {
  const owned = datasets.some((dataset) => dataset.owner !== '');
  const columns = kColumns.filter((column) => column.key !== 'owner' || owned);
  const table = (rows: Dataset[], label: string) => (
    <Table
      label={label}
      columns={columns}
      rows={rows}
      keyOf={nameOf}
      href={(row) => `/catalog/${row.schema}/${row.name}`}
    />
  );
  if (flat)
    return (
      <Section title="Found" note={plural(datasets.length, 'dataset')}>
        {table(datasets, 'Found')}
      </Section>
    );
  const schemas = new Map<string, Dataset[]>();
  for (const dataset of datasets) schemas.set(dataset.schema, [...(schemas.get(dataset.schema) ?? []), dataset]);
  const rank = (schema: string) => (schema === 'system' ? 2 : schema.startsWith('raw_') ? 1 : 0);
  const names = [...schemas.keys()].sort((left, right) => rank(left) - rank(right) || left.localeCompare(right));
  return names.map((schema) => (
    <Section key={schema} title={schema} note={plural(schemas.get(schema)!.length, 'dataset')}>
      {table(schemas.get(schema)!, schema)}
    </Section>
  ));
}

export default function CatalogPage() {
  const [parameters, setParameters] = useSearchParams();
  const [text, setText] = useState(parameters.get('q') ?? '');
  const [asked] = useDebouncedValue(text, 200);
  const kind = parameters.get('kind') ?? 'all';
  const catalog = useCatalog(asked);
  useEffect(() => {
    setParameters(
      (old) => {
        const changed = new URLSearchParams(old);
        if (asked) changed.set('q', asked);
        else changed.delete('q');
        return changed;
      },
      { replace: true },
    );
  }, [asked, setParameters]);
  return (
    <Page
      title="Catalog"
      subtitle="Every dataset you may see: raw data as it was received, and the tables derived from it."
      behind={{ api: '/catalog' }}
      action={
        <Button component={Link} href="/sql" leftSection={<Icon name="code" size={16} />}>
          Query
        </Button>
      }
    >
      <div className="filters">
        <TextInput
          aria-label="Search the catalog"
          placeholder="Search names, descriptions, columns, tags"
          leftSection={<Icon name="search" size={16} />}
          w={360}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <SegmentedControl
          aria-label="Kind"
          value={kind}
          onChange={(value) =>
            setParameters({ ...(asked ? { q: asked } : {}), ...(value === 'all' ? {} : { kind: value }) })
          }
          data={[
            { value: 'all', label: 'All' },
            { value: 'table', label: 'Tables' },
            { value: 'raw', label: 'Raw' },
            { value: 'system', label: 'System' },
          ]}
        />
      </div>
      <Loaded query={catalog} lines={10}>
        {(all) => {
          const datasets = all.filter((dataset) => kind === 'all' || dataset.kind === kind);
          if (datasets.length > 0) return <Groups datasets={datasets} flat={asked !== ''} />;
          return asked ? (
            <Empty title={`Nothing is found for “${asked}”`}>Fewer or shorter words find more.</Empty>
          ) : (
            <Empty title="No datasets yet" command="tarn apply">
              A dataset appears for every stream in sources/*.yaml and every SELECT in use_cases/*/*.sql. Write one,
              then:
            </Empty>
          );
        }}
      </Loaded>
    </Page>
  );
}
