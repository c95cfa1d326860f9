// Runs: what ran, and the tasks with why they do not run now.
import { Button, SegmentedControl, Select } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { Link, useSearchParams } from 'wouter';
import { startRuns, useChange, useRuns, useTasks } from '../../api/queries';
import type { Task } from '../../api/types';
import { formatEvery, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago, Said } from '../../design/time';
import { RunsTable } from './RunsTable';
import { stateOf, TaskGraph } from './TaskGraph';
import { Timeline } from './Timeline';

const kStates = [
  'queued',
  'running',
  'waiting_retry',
  'succeeded',
  'unchanged',
  'failed',
  'cancelled',
  'waiting_approval',
  'waiting_items',
  'skipped',
];
const kPage = 100;

function useStart() {
  return useChange(
    async (target: string) => {
      const started = await startRuns(target);
      notifications.show({ message: `${plural(started.runs.length, 'run')} of ${target} queued.` });
      return started;
    },
    'runs',
    'tasks',
    'overview',
  );
}

function TasksTable({ tasks }: { tasks: Task[] }) {
  const start = useStart();
  return (
    <>
      {start.error && <ErrorState error={start.error} />}
      <Table
        label="Tasks"
        rows={tasks}
        keyOf={(task) => task.id}
        href={(task) => `/runs?view=history&task=${encodeURIComponent(task.id)}`}
        columns={[
          { key: 'state', title: 'State', cell: (task) => <Status name={stateOf(task)} /> },
          { key: 'id', title: 'Task', cell: (task) => task.id, data: true },
          {
            key: 'why',
            title: 'Why',
            cell: (task) => <Said text={task.why} />,
            wide: true,
            wraps: true,
            narrow: true,
          },
          {
            key: 'every',
            title: 'Runs',
            cell: (task) => (task.paused ? 'paused' : (task.schedule?.cron ?? formatEvery(task.every_seconds))),
            narrow: true,
          },
          { key: 'next', title: 'Next', cell: (task) => <Ago time={task.next_due} />, narrow: true },
          { key: 'last', title: 'Last run', cell: (task) => <LastRun task={task} /> },
          {
            key: 'run',
            title: '',
            cell: (task) => (
              <Button variant="subtle" h={28} disabled={task.current !== null} onClick={() => start.mutate(task.id)}>
                Run now
              </Button>
            ),
          },
        ]}
      />
    </>
  );
}

function LastRun({ task }: { task: Task }) {
  const run = task.current ?? task.last;
  if (!run) return <span className="faint">never</span>;
  return (
    <Link href={`/runs/${run.id}`}>
      <Ago time={run.ended_at ?? run.queued_at} />
    </Link>
  );
}

function Tasks({ asGraph }: { asGraph: boolean }) {
  const tasks = useTasks();
  return (
    <Section title="Tasks" note="The graph comes from the definitions; nobody writes it">
      <Loaded query={tasks}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No tasks" command="tarn plan">
              Every stream of a source and every table of a use case is a task. Write one into the workspace, then look
              what would change:
            </Empty>
          ) : asGraph ? (
            <TaskGraph tasks={list} />
          ) : (
            <TasksTable tasks={list} />
          )
        }
      </Loaded>
    </Section>
  );
}

function History() {
  const [parameters, setParameters] = useSearchParams();
  const of = (name: string) => parameters.get(name) ?? '';
  const set = (name: string, value: string | null) =>
    setParameters((old) => {
      const changed = new URLSearchParams(old);
      if (value) changed.set(name, value);
      else changed.delete(name);
      if (name !== 'before') changed.delete('before');
      return changed;
    });
  const tasks = useTasks();
  const runs = useRuns({ task: of('task'), state: of('state'), before: of('before'), limit: kPage });
  return (
    <>
      <div className="filters">
        <Select
          label="Task"
          placeholder="all"
          w={260}
          searchable
          clearable
          data={(tasks.data ?? []).map((task) => task.id)}
          value={of('task') || null}
          onChange={(value) => set('task', value)}
        />
        <Select
          label="State"
          placeholder="all"
          w={160}
          clearable
          data={kStates.map((state) => ({ value: state, label: state.replace('_', ' ') }))}
          value={of('state') || null}
          onChange={(value) => set('state', value)}
        />
      </div>
      <Section
        title="History"
        note={runs.data && (runs.data.length === kPage ? `the newest ${kPage}` : plural(runs.data.length, 'run'))}
      >
        <Loaded query={runs} lines={8}>
          {(list) => <RunsTable runs={list} />}
        </Loaded>
      </Section>
      <div className="row">
        {of('before') && (
          <Button variant="default" onClick={() => set('before', null)}>
            Newest
          </Button>
        )}
        {runs.data?.length === kPage && (
          <Button variant="default" onClick={() => set('before', runs.data?.at(-1)?.id ?? null)}>
            Older
          </Button>
        )}
      </div>
    </>
  );
}

export default function RunsPage() {
  const [parameters, setParameters] = useSearchParams();
  const asked = parameters.get('view');
  const view = asked === 'tasks' || asked === 'graph' || asked === 'timeline' ? asked : 'history';
  const start = useStart();
  return (
    <Page
      title="Runs"
      subtitle="Everything runs by itself: sources when they are due, tables when their inputs changed."
      behind={{ api: view === 'history' || view === 'timeline' ? '/runs' : '/tasks' }}
      action={
        <Button
          leftSection={<Icon name="runs" size={16} />}
          loading={start.isPending}
          onClick={() => start.mutate(parameters.get('task') || '*')}
        >
          {parameters.get('task') ? 'Run it now' : 'Run all now'}
        </Button>
      }
    >
      {start.error && <ErrorState error={start.error} />}
      <SegmentedControl
        aria-label="View"
        style={{ alignSelf: 'flex-start' }}
        value={view}
        onChange={(value) => setParameters({ view: value })}
        data={[
          { value: 'history', label: 'History' },
          { value: 'timeline', label: 'Timeline' },
          { value: 'tasks', label: 'Tasks' },
          { value: 'graph', label: 'Graph' },
        ]}
      />
      {view === 'history' && <History />}
      {view === 'timeline' && <Timeline />}
      {(view === 'tasks' || view === 'graph') && <Tasks asGraph={view === 'graph'} />}
    </Page>
  );
}
