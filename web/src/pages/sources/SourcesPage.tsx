// Sources: what is extracted, how often, whether it answers.
import { Button } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { Link, useSearchParams } from 'wouter';
import {
  checkSource,
  dropQuarantine,
  replayQuarantine,
  startRuns,
  useChange,
  useQuarantine,
  useSources,
  useTasks,
} from '../../api/queries';
import type { Source, SourceStream, Task } from '../../api/types';
import { ConfirmButton } from '../../design/confirm';
import { formatEvery, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { BehindLink, Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';
import { Destinations } from './Destinations';

const kExample =
  "printf 'kind: files\\npath: ./inbox/*.csv\\nstreams: {flights: {format: csv}}\\n' > sources/flights.yaml";

const keyOf = (stream: SourceStream): string => (Array.isArray(stream.key) ? stream.key.join(', ') : stream.key) || '–';

function Streams({ source, tasks }: { source: Source; tasks: Task[] }) {
  const taskOf = (stream: SourceStream) => tasks.find((task) => task.dataset === stream.dataset);
  return (
    <Table
      label={`Streams of ${source.name}`}
      rows={source.streams}
      keyOf={(stream) => stream.name}
      href={(stream) => `/catalog/${stream.dataset.replace('.', '/')}`}
      columns={[
        { key: 'name', title: 'Stream', data: true, cell: (stream) => stream.name },
        {
          key: 'dataset',
          title: 'Dataset',
          data: true,
          wide: true,
          narrow: true,
          cell: (stream) => <span className="soft">{stream.dataset}</span>,
        },
        { key: 'key', title: 'Key', data: true, narrow: true, cell: keyOf },
        { key: 'cursor', title: 'Cursor', data: true, narrow: true, cell: (stream) => stream.cursor || '–' },
        { key: 'every', title: 'Loaded', cell: (stream) => formatEvery(stream.every_seconds) },
        { key: 'next', title: 'Next', cell: (stream) => <Ago time={taskOf(stream)?.next_due} />, narrow: true },
        {
          key: 'last',
          title: 'Last run',
          cell: (stream) => {
            const run = taskOf(stream)?.current ?? taskOf(stream)?.last;
            return run ? (
              <Link href={`/runs/${run.id}`}>
                <Status name={run.state} />
              </Link>
            ) : (
              <span className="faint">never</span>
            );
          },
        },
      ]}
    />
  );
}

// What loads of the source kept apart; nothing is shown when nothing waits.
function Quarantine({ source }: { source: Source }) {
  const waiting = useQuarantine(source.name);
  const entries = waiting.data ?? [];
  const replay = useChange(
    async (stream: string) => {
      const done = await replayQuarantine(source.name, stream);
      notifications.show({ message: `${plural(done.rows, 'row')} of ${stream} loaded from quarantine.` });
    },
    'quarantine',
    'tasks',
    'overview',
  );
  const drop = useChange(async (stream: string) => {
    const done = await dropQuarantine(source.name, stream);
    notifications.show({ message: `${plural(done.dropped, 'entry', 'entries')} of ${stream} dropped.` });
  }, 'quarantine');
  const error = replay.error ?? drop.error;
  const streams = [...new Set(entries.map((entry) => entry.stream))];
  if (entries.length === 0) return null;
  return (
    <div className="stack">
      <p className="notice">
        <Icon name="warning" size={16} />
        In quarantine: what is broken, or came with other columns. Mend how the stream is declared, then replay it.
      </p>
      {streams.map((stream) => (
        <div key={stream} className="row">
          <code>{stream}</code>
          <span className="faint grow">
            {plural(entries.filter((entry) => entry.stream === stream).length, 'entry', 'entries')}
          </span>
          <Button variant="default" loading={replay.isPending} onClick={() => replay.mutate(stream)}>
            Replay {stream}
          </Button>
          <ConfirmButton
            label="Drop"
            title={`Drop what waits of ${stream}`}
            pending={drop.isPending}
            onConfirm={() => drop.mutate(stream)}
          >
            No replay will load it any more; its bytes stay in the bucket <code>raw</code>.
          </ConfirmButton>
        </div>
      ))}
      {error && <ErrorState error={error} />}
      <Table
        label={`Quarantine of ${source.name}`}
        rows={entries}
        keyOf={(entry) => `${entry.id} ${entry.record ?? ''}`}
        columns={[
          { key: 'stream', title: 'Stream', data: true, cell: (entry) => entry.stream },
          { key: 'origin', title: 'From', data: true, cell: (entry) => entry.origin },
          { key: 'record', title: 'Record', data: true, cell: (entry) => entry.record ?? entry.kind },
          { key: 'reason', title: 'Why', wraps: true, width: 260, cell: (entry) => entry.reason },
          {
            key: 'content',
            title: 'Content',
            data: true,
            wide: true,
            narrow: true,
            cell: (entry) => <code>{entry.content_is_base64 ? '(no text)' : entry.content}</code>,
          },
          { key: 'since', title: 'Since', cell: (entry) => <Ago time={entry.since} />, narrow: true },
        ]}
      />
    </div>
  );
}

function SourceSection({ source, tasks }: { source: Source; tasks: Task[] }) {
  const check = useMutation({ mutationFn: () => checkSource(source.name) });
  const load = useChange(
    async () => {
      const started = await startRuns(`raw_${source.name}.*`);
      notifications.show({ message: `${plural(started.runs.length, 'run')} of ${source.name} queued.` });
    },
    'runs',
    'tasks',
    'overview',
  );
  const error = check.error ?? load.error;
  return (
    <Section
      title={source.name}
      note={<span className="tag">{source.kind}</span>}
      action={
        <>
          {check.data && (
            <Status name={check.data.ok ? 'healthy' : 'failing'} word={check.data.ok ? 'answers' : 'does not answer'} />
          )}
          <Button variant="default" loading={check.isPending} onClick={() => check.mutate()}>
            Check
          </Button>
          <Button variant="default" loading={load.isPending} onClick={() => load.mutate(undefined)}>
            Load now
          </Button>
        </>
      }
    >
      <div className="stack">
        {source.description && <p className="soft">{source.description}</p>}
        <BehindLink file={source.file} />
        {check.data && !check.data.ok && (
          <p className="notice">
            <Icon name="warning" size={16} />
            {check.data.message}
            {check.data.hint && `: ${check.data.hint}`}
          </p>
        )}
        {check.data && (
          <Table
            label={`Way to ${source.name}`}
            rows={check.data.steps}
            keyOf={(step) => step.name}
            columns={[
              { key: 'name', title: 'Step', data: true, cell: (step) => step.name },
              {
                key: 'ok',
                title: 'State',
                cell: (step) => <Status name={step.ok ? 'healthy' : 'failing'} word={step.ok ? 'ok' : 'failed'} />,
              },
              { key: 'ms', title: 'Time', number: true, cell: (step) => `${step.ms.toFixed(1)} ms` },
              { key: 'note', title: 'What', wide: true, cell: (step) => step.note },
            ]}
          />
        )}
        {error && <ErrorState error={error} />}
      </div>
      <Streams source={source} tasks={tasks} />
      <Quarantine source={source} />
    </Section>
  );
}

export default function SourcesPage() {
  const sources = useSources();
  const tasks = useTasks();
  const [parameters] = useSearchParams();
  const only = parameters.get('source');
  return (
    <Page
      title={only ? `Source ${only}` : 'Sources'}
      {...(only ? { above: { text: 'Sources', href: '/sources' } } : {})}
      subtitle="What comes in. It is kept byte for byte as it was received; nothing is thrown away on the way."
      behind={{ api: '/sources' }}
      action={
        <Button component={Link} href="/runs?view=tasks" leftSection={<Icon name="runs" size={16} />}>
          See the tasks
        </Button>
      }
    >
      <Loaded query={sources}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No sources yet" command={kExample}>
              A source is one file: what to extract, from where, how often. This one reads files:
            </Empty>
          ) : (
            list
              .filter((source) => !only || source.name === only)
              .map((source) => <SourceSection key={source.name} source={source} tasks={tasks.data ?? []} />)
          )
        }
      </Loaded>
      {!only && <Destinations tasks={tasks.data ?? []} />}
    </Page>
  );
}
