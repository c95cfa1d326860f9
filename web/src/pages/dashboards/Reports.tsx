// What a dashboard sends by mail, when, to whom, and what became of it last.
import { Button } from '@mantine/core';
import { Link } from 'wouter';
import { startRuns, useChange, useReports } from '../../api/queries';
import type { Dashboard, DashboardReport } from '../../api/types';
import { formatEvery } from '../../design/format';
import { Section } from '../../design/page';
import { Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';

function When({ report }: { report: DashboardReport }) {
  if (report.paused) return <>paused</>;
  if (report.cron) {
    return (
      <span className="data">
        {report.cron} {report.time_zone}
      </span>
    );
  }
  return <>{report.every_seconds === null ? 'by hand' : formatEvery(report.every_seconds)}</>;
}

const kWords: Record<string, string> = { succeeded: 'sent', failed: 'not sent' };

function Last({ report }: { report: DashboardReport }) {
  const run = report.current ?? report.last;
  if (!run) return <span className="faint">never sent</span>;
  return (
    <Link href={`/runs/${run.id}`} title={run.error || run.note}>
      <Status name={run.state} {...(kWords[run.state] ? { word: kWords[run.state]! } : {})} />{' '}
      <Ago time={run.ended_at ?? run.queued_at} />
    </Link>
  );
}

function SendButton({ report }: { report: DashboardReport }) {
  const send = useChange(() => startRuns(report.task), 'dashboards', 'runs');
  return (
    <Button
      size="xs"
      variant="default"
      loading={send.isPending}
      disabled={report.current !== null}
      title={send.error?.message ?? `To ${report.to.join(', ')}`}
      onClick={() => send.mutate(undefined)}
    >
      {send.isError ? 'Not sent: try again' : 'Send now'}
    </Button>
  );
}

export function Reports({ dashboard }: { dashboard: Dashboard }) {
  const reports = useReports(dashboard);
  return (
    <Section title="Reports by mail" note={dashboard.file ? `reports: in ${dashboard.file}` : undefined}>
      <Loaded query={reports}>
        {(all) => (
          <Table
            label="Reports by mail"
            rows={all}
            keyOf={(report) => report.name}
            columns={[
              { key: 'name', title: 'Report', data: true, cell: (report) => report.name },
              { key: 'last', title: 'Last', cell: (report) => <Last report={report} /> },
              { key: 'when', title: 'When', narrow: true, cell: (report) => <When report={report} /> },
              { key: 'next', title: 'Next', narrow: true, cell: (report) => <Ago time={report.next_at} /> },
              { key: 'format', title: 'As', cell: (report) => report.format },
              { key: 'as', title: 'Made for', narrow: true, cell: (report) => report.as },
              { key: 'to', title: 'To', wide: true, cell: (report) => report.to.join(', ') },
              { key: 'send', title: '', cell: (report) => <SendButton report={report} /> },
            ]}
          />
        )}
      </Loaded>
    </Section>
  );
}
