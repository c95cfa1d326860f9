// Status: is the platform well, what fails, what is late, what fires, what runs; and the operations that there are.
import { Button, TextInput } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { Link, useSearchParams } from 'wouter';
import { useOperations, useStatus } from '../../api/queries';
import type {
  ComponentHealth,
  FailingTask,
  FiringAlert,
  HealthLevel,
  LateTask,
  Listed,
  Operation,
  PlatformStatus,
  Work,
} from '../../api/types';
import { CopyLine } from '../../design/copy';
import { formatBytes, formatCount, formatDuration, none, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Facts, Page, Section } from '../../design/page';
import { ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago, Said, Took } from '../../design/time';

function nameOf(level: HealthLevel) {
  return level === 'ok' ? 'healthy' : level;
}

const taskHref = (task: string): string => `/runs?view=history&task=${encodeURIComponent(task)}`;

// A list with its count and the page that tells more; `well` is said where it is empty.
function ListSection<T>(props: {
  title: string;
  listed: Listed<T>;
  well: string;
  more: ReactNode;
  children: (list: T[]) => ReactNode;
}) {
  const { count, list } = props.listed;
  const shown =
    count > list.length ? `the first ${formatCount(list.length)} of ${formatCount(count)}` : formatCount(count);
  return (
    <Section title={props.title} note={count > 0 ? shown : undefined} action={props.more}>
      {count === 0 ? (
        <p className="pad row">
          <Status name="healthy" word={props.well} plain />
        </p>
      ) : (
        props.children(list)
      )}
    </Section>
  );
}

function Failing({ failing }: { failing: Listed<FailingTask> }) {
  return (
    <ListSection
      title="Failing"
      listed={failing}
      well="The last run of everything ended well"
      more={<Link href="/runs?view=history&state=failed">Failed runs</Link>}
    >
      {(list) => (
        <Table
          label="Failing"
          rows={list}
          keyOf={(row) => row.task}
          href={(row) => `/runs/${row.run}`}
          columns={[
            {
              key: 'state',
              title: 'State',
              cell: (row) => <Status name={row.runs_again ? 'waiting_retry' : 'failed'} />,
            },
            { key: 'name', title: 'What', data: true, cell: (row) => row.name },
            { key: 'when', title: 'Failed', cell: (row) => <Ago time={row.ended_at} /> },
            { key: 'why', title: 'Why', wide: true, cell: (row) => <span title={row.error}>{row.error}</span> },
          ]}
        />
      )}
    </ListSection>
  );
}

function Late({ late }: { late: Listed<LateTask> }) {
  return (
    <ListSection
      title="Late"
      listed={late}
      well="Nothing is later than it should be"
      more={<Link href="/runs?view=tasks">All tasks</Link>}
    >
      {(list) => (
        <Table
          label="Late"
          rows={list}
          keyOf={(row) => row.task}
          href={(row) => (row.run ? `/runs/${row.run}` : taskHref(row.task))}
          columns={[
            { key: 'state', title: 'State', cell: () => <Status name="warning" word="late" /> },
            { key: 'name', title: 'What', data: true, cell: (row) => row.name },
            { key: 'since', title: 'Since', cell: (row) => <Ago time={row.since} /> },
            { key: 'why', title: 'Why', wide: true, cell: (row) => <Said text={row.why} /> },
          ]}
        />
      )}
    </ListSection>
  );
}

function Alerts({ alerts }: { alerts: Listed<FiringAlert> }) {
  return (
    <ListSection title="Alerts" listed={alerts} well="No alert fires" more={<Link href="/alerts">All alerts</Link>}>
      {(list) => (
        <Table
          label="Alerts"
          rows={list}
          keyOf={(row) => row.name}
          href={() => '/alerts'}
          columns={[
            { key: 'state', title: 'State', cell: () => <Status name="firing" /> },
            { key: 'name', title: 'Alert', data: true, cell: (row) => row.name },
            { key: 'severity', title: 'Severity', cell: (row) => row.severity },
            {
              key: 'text',
              title: 'What',
              wide: true,
              cell: (row) => row.text + (row.count > 1 ? ` (and ${row.count - 1} more)` : ''),
            },
          ]}
        />
      )}
    </ListSection>
  );
}

function UnderWay({ work }: { work: Work }) {
  const count = Object.values(work.counts).reduce((sum, each) => sum + each, 0);
  return (
    <ListSection
      title="Under way"
      listed={{ count, list: work.runs }}
      well="Nothing runs or waits"
      more={<Link href="/runs">All runs</Link>}
    >
      {(list) => (
        <Table
          label="Under way"
          rows={list}
          keyOf={(row) => row.id}
          href={(row) => `/runs/${row.id}`}
          columns={[
            { key: 'state', title: 'State', cell: (row) => <Status name={row.state} /> },
            { key: 'task', title: 'Task', data: true, cell: (row) => row.task + (row.part && ` ${row.part}`) },
            { key: 'queued', title: 'Queued', cell: (row) => <Ago time={row.queued_at} /> },
            { key: 'runs', title: 'Runs for', number: true, cell: (row) => <Took start={row.started_at} end={null} /> },
            { key: 'note', title: 'What it does', wide: true, cell: (row) => <span className="soft">{row.note}</span> },
          ]}
        />
      )}
    </ListSection>
  );
}

const kWorstFirst: HealthLevel[] = ['failing', 'warning', 'ok'];

function Components({ components }: { components: ComponentHealth[] }) {
  const rows = kWorstFirst.flatMap((level) => components.filter((each) => each.level === level));
  return (
    <Section title="Components" note={formatCount(components.length)}>
      <Table
        label="Components"
        rows={rows}
        keyOf={(row) => row.component}
        columns={[
          { key: 'name', title: 'Component', cell: (row) => row.component },
          { key: 'state', title: 'State', cell: (row) => <Status name={nameOf(row.level)} /> },
          {
            key: 'why',
            title: 'What is wrong, and what to do',
            wide: true,
            cell: (row) => <span className="soft">{[row.message, row.hint].filter(Boolean).join(': ')}</span>,
          },
        ]}
      />
    </Section>
  );
}

function Operations({ operations }: { operations: Operation[] }) {
  const [parameters] = useSearchParams();
  const [text, setText] = useState(parameters.get('q') ?? '');
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = operations.filter((operation) => {
    const all = `${operation.protocol} ${operation.name} ${operation.action} ${operation.audit_class}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  return (
    <Section
      title="Operations"
      note={`${plural(found.length, 'operation')}: each with its action, resource and audit class`}
      action={
        <TextInput
          aria-label="Filter operations"
          placeholder="Filter"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      }
    >
      <Table
        label="Operations"
        rows={found}
        keyOf={(row) => `${row.protocol} ${row.name}`}
        columns={[
          { key: 'protocol', title: 'Protocol', cell: (row) => row.protocol },
          { key: 'name', title: 'Operation', data: true, wide: true, cell: (row) => row.name },
          { key: 'action', title: 'Action', data: true, cell: (row) => row.action },
          { key: 'resource', title: 'Resource', narrow: true, cell: (row) => row.resource },
          { key: 'class', title: 'Audit class', narrow: true, cell: (row) => row.audit_class },
        ]}
      />
    </Section>
  );
}

function factsOf(status: PlatformStatus): [string, ReactNode][] {
  const { memory, disk, backup } = status;
  const facts: [string, ReactNode][] = [
    ['Version', status.version],
    ['Up for', formatDuration(status.uptime_seconds)],
    ['Ready', status.ready ? 'yes' : 'not yet'],
  ];
  if (memory) {
    const of = memory.budget_bytes === null ? '' : ` of ${formatBytes(memory.budget_bytes)}`;
    facts.push(['Memory', formatBytes(memory.used_bytes) + of]);
  }
  if (disk) {
    facts.push(['Disk used', formatBytes(disk.used_bytes)]);
    facts.push([
      'Disk left',
      <span
        key="left"
        title={`warns below ${formatBytes(disk.warn_bytes)}, takes nothing below ${formatBytes(disk.stop_bytes)}`}
      >
        {formatBytes(disk.left_bytes)}
      </span>,
    ]);
  }
  if (backup) {
    const schedule = backup.schedule ? `every ${backup.schedule.every}` : 'no schedule';
    facts.push(['Last backup', backup.last_success ? <Ago time={backup.last_success} /> : none]);
    facts.push(['Backups', backup.level === 'ok' ? schedule : <Status name={backup.level} word={schedule} plain />]);
  }
  return facts;
}

function Sections({ status }: { status: PlatformStatus }) {
  return (
    <>
      <Facts facts={factsOf(status)} />
      {status.unreadable.map((part) => (
        <ErrorState
          key={part.section}
          error={`The section ${part.section} cannot be read: ${part.message}`}
          {...(part.hint ? { advice: part.hint } : {})}
        />
      ))}
      {status.failing && <Failing failing={status.failing} />}
      {status.late && <Late late={status.late} />}
      {status.alerts && <Alerts alerts={status.alerts} />}
      {status.work && <UnderWay work={status.work} />}
      {status.components && <Components components={status.components} />}
    </>
  );
}

export default function StatusPage() {
  const status = useStatus();
  const operations = useOperations();
  return (
    <Page
      title="Status"
      status={status.data && <Status name={nameOf(status.data.level)} />}
      subtitle="How the platform is now. On a terminal: tarn status. For probes: /health, /ready and /metrics."
      behind={{ api: '/status' }}
      action={
        <Button
          component="a"
          href="/metrics"
          target="_blank"
          variant="default"
          leftSection={<Icon name="health" size={16} />}
        >
          Metrics
        </Button>
      }
    >
      <Loaded query={status}>{(loaded) => <Sections status={loaded} />}</Loaded>
      <div className="row soft">
        For Prometheus: <CopyLine text={`curl ${window.location.origin}/metrics`} />
      </div>
      <Loaded query={operations}>{(list) => <Operations operations={list} />}</Loaded>
    </Page>
  );
}
