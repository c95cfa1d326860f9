// One run: its state, what it wrote, its log; cancel or retry it.
import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { Link, useLocation } from 'wouter';
import {
  approveRun,
  cancelRun,
  isUnderWay,
  retryRun,
  useChange,
  useRun,
  useRuns,
  useTasks,
  useTimeline,
} from '../../api/queries';
import type { RunDetail } from '../../api/types';
import { formatBytes, formatCount, formatDuration, formatExact, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Facts, Page, Section } from '../../design/page';
import { ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Ago, Said, Took, useNow } from '../../design/time';
import { chainsOf } from './chains';
import { Gantt } from './Gantt';
import { Log } from './Log';
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

function versionHref(dataset: string, version: string): string {
  return `/catalog/${dataset.replace('.', '/')}?tab=versions&version=${encodeURIComponent(version)}`;
}

function Version({ run }: { run: RunDetail }) {
  if (!run.version) return <>–</>;
  if (/^(job|destination|report):/.test(run.task)) return <>{run.version}</>;
  const dataset = datasetOf(run.task);
  return (
    <>
      <Link href={versionHref(dataset, run.version)}>{run.version}</Link>
      {', '}
      <Link href={`/catalog/${dataset.replace('.', '/')}?tab=lineage`}>lineage</Link>
    </>
  );
}

// What a kind of task says in numbers besides.
const kDetails: Record<string, [string, (value: number) => string]> = {
  inserted: ['Inserted', formatCount],
  updated: ['Updated', formatCount],
  deleted: ['Deleted', formatCount],
  bytes: ['Size', formatBytes],
  cpu_seconds: ['CPU time', (seconds) => `${seconds.toFixed(2)} s`],
  memory_bytes: ['Memory', formatBytes],
  status: ['Answered', String],
};

function detailsOf(run: RunDetail): [string, string][] {
  return Object.entries(kDetails).flatMap(([name, [title, format]]) => {
    const value = run.details[name];
    return typeof value === 'number' ? [[title, format(value)] as [string, string]] : [];
  });
}

function factsOf(run: RunDetail): [string, React.ReactNode][] {
  return [
    run.task.startsWith('job:')
      ? ['Job', run.task.slice(4)]
      : run.task.startsWith('report:')
        ? ['Report', run.task.slice(7)]
        : run.task.startsWith('destination:')
          ? [
              'Delivery',
              <Link key="delivery" href="/sources">
                {run.task.slice(12)}
              </Link>,
            ]
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
    ...detailsOf(run),
    ['Version', <Version key="version" run={run} />],
    ...Object.entries(run.inputs).map(([dataset, version]): [string, React.ReactNode] => [
      `Read ${dataset}`,
      <Link key={dataset} href={versionHref(dataset, version)}>
        {version}
      </Link>,
    ]),
    ...(run.scheduled_for ? ([['Scheduled for', formatExact(run.scheduled_for)]] as [string, string][]) : []),
    ...(run.approved_by ? ([['Approved by', run.approved_by]] as [string, string][]) : []),
    ...(run.late ? ([['Late', 'it had not ended when its sla was over']] as [string, string][]) : []),
    ...Object.entries(run.parameters).map(([name, value]): [string, string] => [`Parameter ${name}`, value]),
  ];
}

const kOthers = 10;

const kChainMs = 6 * 3600_000; // how far from the run its chain is looked for
const kMarginPart = 0.03;

// What brought this run about, and what it brought about in turn, when each ran.
function ChainOf({ run }: { run: RunDetail }) {
  const tasks = useTasks();
  const now = useNow();
  const until = run.ended_at ? Date.parse(run.ended_at) : Math.ceil(now / 15_000) * 15_000;
  const since = new Date(Date.parse(run.queued_at) - kChainMs).toISOString();
  const runs = useTimeline(since, new Date(until + kChainMs).toISOString(), isUnderWay(run.state));
  const chain = useMemo(
    () => chainsOf(runs.data ?? [], tasks.data ?? []).find((each) => each.runs.some(({ id }) => id === run.id)),
    [runs.data, tasks.data, run.id],
  );
  if (!chain) return null;
  const begin = Date.parse(chain.root.queued_at);
  const ends = chain.runs.map((each) => (each.ended_at ? Date.parse(each.ended_at) : now));
  const end = Math.max(...ends, begin + 50);
  const margin = (end - begin) * kMarginPart;
  const note = `${plural(chain.runs.length, 'run')} in ${formatDuration((end - begin) / 1000)}`;
  return (
    <Section title="The chain" note={note}>
      <Gantt
        label="The chain of this run"
        rows={chain.runs.map((each) => ({ key: each.id, title: each.task, runs: [each] }))}
        from={begin - margin}
        to={end + margin}
        current={run.id}
      />
    </Section>
  );
}

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
        <Loaded query={runs}>{(list) => <RunsTable runs={list} current={run.id} compares={run.id} />}</Loaded>
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
            <Log run={detail.id} isLive={isUnderWay(detail.state)} isWriting={detail.state === 'running'} />
            <ChainOf run={detail} />
            <Around run={detail} />
          </>
        )}
      </Loaded>
    </Page>
  );
}
