// One run: its state, what it wrote, its log; cancel or retry it.
import { Button } from '@mantine/core';
import { Link, useLocation } from 'wouter';
import { cancelRun, isUnderWay, retryRun, useChange, useRun } from '../../api/queries';
import type { RunDetail } from '../../api/types';
import { formatCount, formatExact } from '../../design/format';
import { Icon } from '../../design/icons';
import { Facts, Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Ago, Said, Took } from '../../design/time';

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
  const error = cancel.error ?? retry.error;
  return (
    <>
      {error && <ErrorState error={error} />}
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

const datasetOf = (task: string): string => task.slice(task.indexOf(':') + 1);
function hrefOf(task: string): string {
  const dataset = datasetOf(task);
  const raw = task.startsWith('source:') && !dataset.startsWith('raw_') ? `raw_${dataset}` : dataset;
  return `/catalog/${raw.replace('.', '/')}`;
}

function factsOf(run: RunDetail): [string, React.ReactNode][] {
  return [
    [
      'Dataset',
      <Link key="dataset" href={hrefOf(run.task)}>
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
            <Section title="Log" note={`${detail.log.length} lines`}>
              <Log lines={detail.log} />
            </Section>
          </>
        )}
      </Loaded>
    </Page>
  );
}
