// The list of dashboards.
import { Button } from '@mantine/core';
import { Link } from 'wouter';
import { useDashboards } from '../../api/queries';
import { plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Page } from '../../design/page';
import { Empty, Loaded } from '../../design/states';

export default function DashboardsPage() {
  const dashboards = useDashboards();
  return (
    <Page
      title="Dashboards"
      subtitle="Each one is a file of its use case; every number leads to its SQL and its lineage."
      behind={{ api: '/dashboards' }}
      action={
        <Button component={Link} href="/sql" leftSection={<Icon name="code" size={16} />}>
          Try a query
        </Button>
      }
    >
      <Loaded query={dashboards}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No dashboards yet" command={'- {number: "SELECT count(*) FROM use_case.table", title: Rows}'}>
              Write use_cases/NAME/NAME.dashboard.yaml with a title and tiles such as this one, then apply the
              workspace:
            </Empty>
          ) : (
            <div className="cards">
              {list.map((board) => (
                <Link key={board.file} href={`/dashboards/${board.use_case}/${board.name}`} className="card">
                  <span className="with-icon">
                    <Icon name="dashboard" size={16} />
                    <strong>{board.title}</strong>
                  </span>
                  <p className="soft">{board.description || `A dashboard of the use case ${board.use_case}.`}</p>
                  <span className="faint small">
                    {board.tiles !== undefined && `${plural(board.tiles, 'tile')} · `}
                    <code className="small">{board.file}</code>
                  </span>
                </Link>
              ))}
            </div>
          )
        }
      </Loaded>
    </Page>
  );
}
