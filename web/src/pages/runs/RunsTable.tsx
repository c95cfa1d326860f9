// Runs as a list; also on Home and on the page of a dataset.
import { Link } from 'wouter';
import type { Run } from '../../api/types';
import { formatCount } from '../../design/format';
import { Empty } from '../../design/states';
import { Status } from '../../design/status';
import { Table, type Column } from '../../design/table';
import { Ago, Took } from '../../design/time';

const kAll: Column<Run>[] = [
  { key: 'state', title: 'State', cell: (run) => <Status name={run.state} /> },
  { key: 'task', title: 'Task', cell: (run) => run.task, data: true },
  { key: 'trigger', title: 'Because of', cell: (run) => run.trigger, narrow: true },
  { key: 'queued', title: 'Queued', cell: (run) => <Ago time={run.queued_at} /> },
  { key: 'took', title: 'Took', cell: (run) => <Took start={run.started_at} end={run.ended_at} />, number: true },
  { key: 'rows', title: 'Rows', cell: (run) => formatCount(run.rows), number: true, narrow: true },
  { key: 'note', title: 'What happened', cell: (run) => <What run={run} />, wide: true, narrow: true },
];
const kBrief = new Set(['state', 'task', 'queued', 'took', 'rows']);

function What({ run }: { run: Run }) {
  const text = run.error || run.warnings[0] || run.note;
  return (
    <span className={run.error ? undefined : 'soft'} title={text}>
      {text}
    </span>
  );
}

interface RunsTableProps {
  runs: Run[];
  brief?: boolean;
  current?: string;
  compares?: string; // the run that each other one can be held against
}

// The older one first, whichever was clicked.
function compareHref(one: string, other: string): string {
  const [a, b] = Number(one) < Number(other) ? [one, other] : [other, one];
  return `/runs/compare?a=${a}&b=${b}`;
}

export function RunsTable({ runs, brief = false, current, compares }: RunsTableProps) {
  if (runs.length === 0) {
    return (
      <Empty title="Nothing ran" command="tarn run '*'">
        Tasks run by themselves when their source is due or their inputs changed. By hand:
      </Empty>
    );
  }
  const compare: Column<Run> = {
    key: 'compare',
    title: '',
    cell: (run) => compares !== run.id && <Link href={compareHref(compares!, run.id)}>Compare</Link>,
  };
  const columns = brief ? kAll.filter((column) => kBrief.has(column.key)) : kAll;
  return (
    <Table
      label="Runs"
      columns={compares ? [...columns, compare] : columns}
      rows={runs}
      keyOf={(run) => run.id}
      {...(current ? { current } : {})}
      href={(run) => `/runs/${run.id}`}
    />
  );
}
