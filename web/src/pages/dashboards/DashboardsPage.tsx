// The list of dashboards.
import { Button, Modal, TextInput } from '@mantine/core';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { saveDashboard, useChange, useDashboards } from '../../api/queries';
import { plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Page } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';

// A name out of a title: lower-case letters, digits and _.
const nameFrom = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^[_0-9]+|_+$/g, '')
    .slice(0, 63);

function NewDashboard({ useCases }: { useCases: string[] }) {
  const [isOpen, setOpen] = useState(false);
  const [title, setTitle] = useState('');
  const [useCase, setUseCase] = useState(useCases[0] ?? '');
  const [, navigate] = useLocation();
  const name = nameFrom(title);
  const made = useChange((draft: Parameters<typeof saveDashboard>[0]) => saveDashboard(draft), 'dashboards');
  const make = () =>
    made.mutate(
      { use_case: useCase, name, text: `title: ${JSON.stringify(title)}\ntiles: []\n` },
      { onSuccess: () => navigate(`/dashboards/${useCase}/${name}?edit=1`) },
    );
  return (
    <>
      <Button onClick={() => setOpen(true)}>New dashboard</Button>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title="A new dashboard">
        <form
          className="stack wide-gap"
          onSubmit={(event) => {
            event.preventDefault();
            make();
          }}
        >
          <TextInput
            label="Title"
            data-autofocus
            value={title}
            description={name && `Its name: ${name}`}
            onChange={(event) => setTitle(event.currentTarget.value)}
          />
          <TextInput
            label="Use case"
            description="A folder below use_cases"
            value={useCase}
            onChange={(event) => setUseCase(event.currentTarget.value)}
          />
          {made.isError && <ErrorState error={made.error} />}
          <Button type="submit" disabled={name === '' || useCase === ''} loading={made.isPending}>
            Make it
          </Button>
        </form>
      </Modal>
    </>
  );
}

export default function DashboardsPage() {
  const dashboards = useDashboards();
  return (
    <Page
      title="Dashboards"
      subtitle="Each one is a file of its use case, or made here; every number leads to its SQL and its lineage."
      behind={{ api: '/dashboards' }}
      action={
        <NewDashboard
          key={dashboards.data?.[0]?.use_case}
          useCases={(dashboards.data ?? []).map((board) => board.use_case)}
        />
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
                <Link
                  key={`${board.use_case}.${board.name}`}
                  href={`/dashboards/${board.use_case}/${board.name}`}
                  className="card"
                >
                  <span className="with-icon">
                    <Icon name="dashboard" size={16} />
                    <strong>{board.title}</strong>
                  </span>
                  <p className="soft">{board.description || `A dashboard of the use case ${board.use_case}.`}</p>
                  <span className="faint small">
                    {board.tiles !== undefined && `${plural(board.tiles, 'tile')} · `}
                    {board.file ? <code className="small">{board.file}</code> : 'made in the browser'}
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
