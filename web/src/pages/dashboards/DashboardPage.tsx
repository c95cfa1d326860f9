// A dashboard: filters, tiles, and for each tile what is behind it.
import { Button, Select } from '@mantine/core';
import { useIsFetching, useQueryClient } from '@tanstack/react-query';
import { useSearchParams } from 'wouter';
import { useDashboard, useFilterValues } from '../../api/queries';
import type { Dashboard, DashboardFilter } from '../../api/types';
import { Icon } from '../../design/icons';
import { Page } from '../../design/page';
import { Empty, Loaded } from '../../design/states';
import { cellText } from '../../design/format';
import { spansOf } from './spans';
import { TileCard } from './TileCard';
import { TileDrawer } from './TileDrawer';

function FilterChoice(props: {
  dashboard: Dashboard;
  filter: DashboardFilter;
  value: string;
  onChange: (value: string | null) => void;
}) {
  const { dashboard, filter } = props;
  const values = useFilterValues(dashboard, filter.name);
  return (
    <Select
      label={filter.name}
      title={`${filter.table}.${filter.column}`}
      placeholder={values.isPending ? 'Loading…' : values.isError ? 'Its values cannot be read' : 'all'}
      w={200}
      searchable
      clearable
      data={[...new Set((values.data ?? []).map(cellText))]}
      value={props.value || null}
      onChange={props.onChange}
    />
  );
}

function Board({ dashboard }: { dashboard: Dashboard }) {
  const [parameters, setParameters] = useSearchParams();
  const filters: Record<string, string> = {};
  for (const filter of dashboard.filters) {
    const value = parameters.get(filter.name);
    if (value) filters[filter.name] = value;
  }
  const set = (name: string, value: string | null) =>
    setParameters((old) => {
      const changed = new URLSearchParams(old);
      if (value === null || value === '') changed.delete(name);
      else changed.set(name, value);
      return changed;
    });
  const spans = spansOf(dashboard.tiles.map((tile) => tile.kind));
  const open = dashboard.tiles.find((tile) => String(tile.index) === parameters.get('tile'));
  return (
    <>
      {dashboard.filters.length > 0 && (
        <div className="filters">
          {dashboard.filters.map((filter) => (
            <FilterChoice
              key={filter.name}
              dashboard={dashboard}
              filter={filter}
              value={filters[filter.name] ?? ''}
              onChange={(value) => set(filter.name, value)}
            />
          ))}
        </div>
      )}
      {dashboard.tiles.length === 0 && <Empty title="No tiles">Add one to {dashboard.file}.</Empty>}
      <div className="tiles">
        {dashboard.tiles.map((tile, place) => (
          <TileCard
            key={tile.index}
            dashboard={dashboard}
            tile={tile}
            span={spans[place] ?? 6}
            filters={filters}
            onOpen={() => set('tile', String(tile.index))}
          />
        ))}
      </div>
      <TileDrawer dashboard={dashboard} tile={open} filters={filters} onClose={() => set('tile', null)} />
    </>
  );
}

export default function DashboardPage({ useCase, name }: { useCase: string; name: string }) {
  const dashboard = useDashboard(useCase, name);
  const client = useQueryClient();
  const fetching = useIsFetching({ queryKey: ['dashboards', 'tile'] }) > 0;
  const file = dashboard.data?.file;
  return (
    <Page
      title={dashboard.data?.title ?? `${useCase}.${name}`}
      above={{ text: 'Dashboards', href: '/dashboards' }}
      subtitle={dashboard.data?.description}
      behind={{ api: `/dashboards/${useCase}/${name}`, ...(file ? { file } : {}) }}
      action={
        <Button
          variant="default"
          loading={fetching}
          leftSection={<Icon name="retry" size={16} />}
          onClick={() => void client.invalidateQueries({ queryKey: ['dashboards', 'tile'] })}
        >
          Refresh
        </Button>
      }
    >
      <Loaded query={dashboard}>{(data) => <Board dashboard={data} />}</Loaded>
    </Page>
  );
}
