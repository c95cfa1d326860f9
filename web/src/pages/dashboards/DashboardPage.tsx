// A dashboard: filters, tiles, and for each tile what is behind it.
import { Button } from '@mantine/core';
import { useEffect } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { useIsFetching, useQueryClient } from '@tanstack/react-query';
import { useDashboard } from '../../api/queries';
import type { Dashboard } from '../../api/types';
import { fetchCharts } from '../../design/chart';
import { CopyButton } from '../../design/copy';
import { Icon } from '../../design/icons';
import { later } from '../../design/later';
import { Page } from '../../design/page';
import { Empty, Loaded, Loading } from '../../design/states';
import { useChosen } from './chosen';
import { Download } from './Download';
import { Filters } from './Filters';
import { heightOf, widthsOf } from './layout';
import { Reports } from './Reports';
import { TileCard } from './TileCard';
import { TileDrawer } from './TileDrawer';

const Editor = later(() => import('./edit/Editor'), <Loading />);

function Board({ dashboard }: { dashboard: Dashboard }) {
  const chosen = useChosen(dashboard);
  const widths = widthsOf(dashboard.tiles);
  return (
    <>
      <Filters dashboard={dashboard} chosen={chosen} />
      {dashboard.tiles.length === 0 && <Empty title="No tiles">Add one to {dashboard.file || 'it'}.</Empty>}
      <div className="tiles">
        {dashboard.tiles.map((tile, place) => (
          <TileCard
            key={tile.index}
            dashboard={dashboard}
            tile={tile}
            style={{ gridColumn: `span ${widths[place] ?? 6}`, gridRow: `span ${heightOf(tile)}` }}
            chosen={chosen}
          />
        ))}
      </div>
      {dashboard.reports.length > 0 && <Reports dashboard={dashboard} />}
      <TileDrawer dashboard={dashboard} chosen={chosen} />
    </>
  );
}

export default function DashboardPage({ useCase, name }: { useCase: string; name: string }) {
  const dashboard = useDashboard(useCase, name);
  const client = useQueryClient();
  const isFetching = useIsFetching({ queryKey: ['dashboards', 'tile'] }) > 0;
  const file = dashboard.data?.file;
  useEffect(() => void fetchCharts(), []);
  // Under an old name comes what it is called now: links go on leading there.
  const [, navigate] = useLocation();
  const address = dashboard.data && `/dashboards/${dashboard.data.use_case}/${dashboard.data.name}`;
  const isRenamed = address !== undefined && address !== `/dashboards/${useCase}/${name}`;
  useEffect(() => {
    if (isRenamed) navigate(address + window.location.search, { replace: true });
  }, [isRenamed, address, navigate]);
  const [parameters, setParameters] = useSearchParams();
  const isEdited = parameters.has('edit');
  const setEdited = (edited: boolean) =>
    setParameters((old) => {
      const changed = new URLSearchParams(old);
      changed.delete('tile');
      changed.delete('mark');
      if (edited) changed.set('edit', '1');
      else changed.delete('edit');
      return changed;
    });
  return (
    <Page
      title={dashboard.data?.title ?? `${useCase}.${name}`}
      above={{ text: 'Dashboards', href: '/dashboards' }}
      subtitle={dashboard.data?.description}
      behind={{ api: `/dashboards/${useCase}/${name}`, ...(file ? { file } : {}) }}
      action={
        <div className="row">
          {dashboard.data?.may_write && !isEdited && (
            <Button variant="default" onClick={() => setEdited(true)}>
              Edit
            </Button>
          )}
          {dashboard.data && !isEdited && <Download dashboard={dashboard.data} />}
          <CopyButton text={() => location.href}>Copy link</CopyButton>
          <Button
            variant="default"
            loading={isFetching}
            leftSection={<Icon name="retry" size={16} />}
            onClick={() => void client.invalidateQueries({ queryKey: ['dashboards', 'tile'] })}
          >
            Refresh
          </Button>
        </div>
      }
    >
      <Loaded query={dashboard}>
        {(data) =>
          isEdited ? (
            <Editor key={data.hash} dashboard={data} onDone={() => setEdited(false)} />
          ) : (
            <Board dashboard={data} />
          )
        }
      </Loaded>
    </Page>
  );
}
