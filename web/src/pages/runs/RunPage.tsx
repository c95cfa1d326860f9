// One run: its state, what it wrote, its log; cancel or retry it.
import { Button } from '@mantine/core';
import { Link, useLocation } from 'wouter';
import { approveRun, cancelRun, isUnderWay, retryRun, useChange, useRun, useRuns, useTasks } from '../../api/queries';
import type { RunDetail } from '../../api/types';
import { formatCount, formatExact, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Facts, Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Ago, Said, Took } from '../../design/time';
import { RunsTable } from './RunsTable';
import { TaskGraph } from './TaskGraph';

function Actions({ run }: { run: RunDetail }) {
  const [, navigate] = useLocation();
  const cancel = useChange(() => cancelRun(run.id), 'runs', 'tasks', 'overview');
  const retry = useChange(
    async () => {
      const started = await retryRun(run.id);
      if (started.runs[0]) navigate(`/runs/${started.runs[0]}`);
    },
    'runs',
    'tasks',
    'overview',
  );
  const approve = useChange(() => approveRun(run.id), 'runs', 'tasks', 'overview');
  const error = cancel.error ?? retry.error ?? approve.error;
  return (
    <>
      {error && <ErrorState error={error} />}
      {run.state === 'waiting_approval' && (
        <Button
          loading={approve.isPending}
          onClick={() => approve.mutate(undefined)}
          leftSection={<Icon name="check" size={16} />}
        >
          Approve
        </Button>
      )}
      {isUnderWay(run.state) ? (
        <Button
          variant="default"
          loading={cancel.isPending}
          onClick={() => cancel.mutate(undefined)}
          leftSection={<Icon name="stop" size={16} />}
        >
          Cancel
        </Button>
      ) : (
        <Button
          loading={retry.isPending}
          onClick={() => retry.mutate(undefined)}
          leftSection={<Icon name="retry" size={16} />}
        >
          Run again
        </Button>
      )}
    </>
  );
}

// What a task writes: a stream of a source lands in the raw zone.
function datasetOf(task: string): string {
  const name = task.slice(task.indexOf(':') + 1);
  return task.startsWith('source:') ? `raw_${name}` : name;
}

function factsOf(run: RunDetail): [string, React.ReactNode][] {
  return [
    run.task.startsWith('job:')
      ? ['Job', run.task.slice(4)]
      : [
          'Dataset',
          <Link key="dataset" href={`/catalog/${datasetOf(run.task).replace('.', '/')}`}>
            {datasetOf(run.task)}
          </Link>,
        ],
    ['Because of', run.trigger],
    ['Queued', <Ago key="queued" time={run.queued_at} />],
    ['Started', <Ago key="started" time={run.started_at} />],
    ['Took', <Took key="took" start={run.started_at} end={run.ended_at} />],
    ['Attempt', String(run.attempt)],
    ['Rows', formatCount(run.rows)],
    ['Version', run.version || '–'],
    ...(run.scheduled_for ? ([['Scheduled for', formatExact(run.scheduled_for)]] as [string, string][]) : []),
    ...(run.approved_by ? ([['Approved by', run.approved_by]] as [string, string][]) : []),
    ...(run.late ? ([['Late', 'it had not ended when its sla was over']] as [string, string][]) : []),
    ...Object.entries(run.parameters).map(([name, value]): [string, string] => [`Parameter ${name}`, value]),
  ];
}

function Log({ lines }: { lines: string[] }) {
  if (lines.length === 0) return <Empty title="No log yet">Lines appear while the run works.</Empty>;
  return (
    <pre className="code-block log" tabIndex={0} aria-label="Log">
      {lines.map((line, index) => (
        <span key={index} className={/\b(error|failed|refused)\b/i.test(line) ? 'bad' : undefined}>
          <Said text={line} />
        </span>
      ))}
    </pre>
  );
}

const kOthers = 10;

// Where the task stands on the way of the data, and how it went before.
function Around({ run }: { run: RunDetail }) {
  const tasks = useTasks();
  const runs = useRuns({ task: run.task, state: '', before: '', limit: kOthers });
  const task = tasks.data?.find((each) => each.id === run.task);
  const all = `/runs?task=${encodeURIComponent(run.task)}`;
  return (
    <>
      {task && (
        <Section title="What it reads, and what waits for it" note={<Said text={task.why} />}>
          <TaskGraph tasks={tasks.data ?? []} around={task} />
        </Section>
      )}
      <Section title="Runs of this task" action={<Link href={all}>All</Link>}>
        <Loaded query={runs}>{(list) => <RunsTable runs={list} current={run.id} />}</Loaded>
      </Section>
    </>
  );
}

export default function RunPage({ id }: { id: string }) {
  const run = useRun(id);
  const data = run.data;
  return (
    <Page
      title={data ? data.task : `Run ${id}`}
      above={{ text: 'Runs', href: '/runs' }}
      status={data && <Status name={data.state} />}
      subtitle={data && `Run ${id}, ${formatExact(data.queued_at)}`}
      behind={{ api: `/runs/${id}` }}
      action={data && <Actions run={data} />}
    >
      <Loaded query={run}>
        {(detail) => (
          <>
            <Facts facts={factsOf(detail)} />
            {detail.error && <ErrorState error={new Error(detail.error)} />}
            {detail.note && <p className="soft">{detail.note}</p>}
            {detail.warnings.map((warning) => (
              <p key={warning} className="notice">
                <Icon name="warning" size={16} />
                {warning}
              </p>
            ))}
            <Section title="Log" note={plural(detail.log.length, 'line')}>
              <Log lines={detail.log} />
            </Section>
            <Around run={detail} />
          </>
        )}
      </Loaded>
    </Page>
  );
}
