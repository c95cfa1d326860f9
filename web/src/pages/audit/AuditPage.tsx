// Audit: every operation and every access, newest first; the log can be proved unchanged.
import { Button, Drawer, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useMutation } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { useSearchParams } from 'wouter';
import { useAudit, verifyAudit, type AuditQuestion } from '../../api/queries';
import type { AuditEntry, AuditReport } from '../../api/types';
import { formatBytes, formatCount, formatDuration, formatExact, plural } from '../../design/format';
import { Facts, Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';
import { Values } from '../../design/values';

const kTexts = ['principal', 'action', 'resource'] as const;
const kLabels = { principal: 'Who', action: 'Action', resource: 'On' };
const kStatuses = [
  'ok',
  'permission_denied',
  'unauthenticated',
  'invalid_argument',
  'not_found',
  'cancelled',
  'internal',
];
const kSince: [string, string][] = [
  ['900', 'last 15 minutes'],
  ['3600', 'last hour'],
  ['86400', 'last day'],
  ['604800', 'last 7 days'],
];
const kNames = ['principal', 'action', 'resource', 'status', 'since', 'until', 'before'] as const;

function statusOf(entry: AuditEntry): { name: string; word: string } {
  if (entry.phase === 'denied') return { name: 'denied', word: 'denied' };
  if (entry.phase === 'begin') return { name: 'running', word: 'begun' };
  if (entry.status === '' || entry.status === 'ok') return { name: 'healthy', word: 'ok' };
  return { name: 'failed', word: entry.status };
}

function EntryStatus({ entry }: { entry: AuditEntry }) {
  const { name, word } = statusOf(entry);
  return <Status name={name} word={word} />;
}

function EntryDrawer({ entry, onClose }: { entry: AuditEntry | undefined; onClose: () => void }) {
  return (
    <Drawer opened={entry !== undefined} onClose={onClose} title={`Record ${entry?.sequence ?? ''}`}>
      {entry && (
        <div className="stack wide-gap">
          <div className="row">
            <EntryStatus entry={entry} />
            <strong>{entry.operation}</strong>
          </div>
          <Facts
            facts={[
              ['When', formatExact(entry.time)],
              ['Who', entry.principal || 'nobody'],
              ['With', entry.credential || '–'],
              ['From', entry.remote || '–'],
              ['Protocol', entry.protocol],
              ['Class', entry.class ?? '–'],
              ['Action', entry.action],
              ['On', entry.resource],
              ['Rows', formatCount(entry.rows)],
              ['Bytes', formatBytes(entry.bytes)],
              ['Took', formatDuration(entry.duration_us / 1e6)],
              ['Call', entry.call_id || '–'],
            ]}
          />
          <Values title="Details" value={entry.details} />
        </div>
      )}
    </Drawer>
  );
}

function Report({ report }: { report: AuditReport }) {
  const intact = report.issue_count === 0;
  return (
    <Section
      title="Proof"
      action={
        <Status name={intact ? 'healthy' : 'failed'} word={intact ? 'intact' : plural(report.issue_count, 'issue')} />
      }
    >
      <div className="stack">
        <p>
          {plural(report.records, 'record')} in {plural(report.segments, 'segment')} were read again from the first to
          the last
          {intact ? ': none is missing, changed or out of order.' : ', and the log is not as it was written.'}
        </p>
        {report.dropped !== null && (
          <p>
            {plural(report.dropped.records, 'record')} up to {formatExact(report.dropped.newest)} were dropped before,
            by {report.dropped.rule} of {report.dropped.set_by}; record {report.dropped.sequence} tells so.
          </p>
        )}
        {report.issues.map((issue, index) => (
          <p key={index} className="notice">
            {issue.kind} at record {issue.sequence}: {issue.message}
          </p>
        ))}
        <p className="faint small">
          Head: record {formatCount(report.head.sequence)}, chain <code>{report.head.chain.slice(0, 32)}…</code>
        </p>
      </div>
    </Section>
  );
}

function Filters({ of, set }: { of: (name: string) => string; set: (name: string, value: string) => void }) {
  const later = useDebouncedCallback(set, 300);
  return (
    <div className="filters">
      {kTexts.map((name) => (
        <TextInput
          key={name}
          label={kLabels[name]}
          w={200}
          placeholder={name === 'principal' ? 'user:alice' : name === 'action' ? 'table:Read' : 'delays.flights'}
          defaultValue={of(name)}
          onChange={(event) => later(name, event.target.value)}
        />
      ))}
      <Select
        label="Status"
        w={130}
        placeholder="any"
        clearable
        data={kStatuses}
        value={of('status') || null}
        onChange={(value) => set('status', value ?? '')}
      />
      <Select
        label="Time"
        w={170}
        placeholder="any"
        clearable
        data={kSince.map(([value, label]) => ({ value, label }))}
        value={of('last') || null}
        onChange={(value) => set('last', value ?? '')}
      />
    </div>
  );
}

// "last" is kept in the address as seconds, so that the page stays true when it is opened later.
function questionOf(of: (name: string) => string, opened: number): AuditQuestion {
  const question = Object.fromEntries(kNames.map((name) => [name, of(name)])) as AuditQuestion;
  const last = Number(of('last'));
  if (last > 0) question.since = new Date(opened - last * 1000).toISOString();
  return question;
}

// An operation leaves two records, of its begin and its end; once the end is there it says all.
function withoutBegun(entries: AuditEntry[]): AuditEntry[] {
  const ended = new Set(entries.filter((entry) => entry.phase !== 'begin').map((entry) => entry.call_id));
  return entries.filter((entry) => entry.phase !== 'begin' || !ended.has(entry.call_id));
}

// What is known only at the end is left out before it.
const ended = (entry: AuditEntry, value: ReactNode): ReactNode => (entry.phase === 'begin' ? '' : value);

interface EntriesProps {
  entries: AuditEntry[];
  chosen: string;
  choose: (sequence: string) => void;
}

function Entries({ entries, chosen, choose }: EntriesProps) {
  if (entries.length === 0)
    return <Empty title="No record fits">Take a filter away; every operation leaves a record.</Empty>;
  return (
    <>
      <Table
        label="Audit records"
        rows={entries}
        keyOf={(entry) => String(entry.sequence)}
        current={chosen}
        onOpen={(entry) => choose(String(entry.sequence))}
        columns={[
          { key: 'time', title: 'When', cell: (entry) => <Ago time={entry.time} /> },
          { key: 'status', title: 'Status', cell: (entry) => <EntryStatus entry={entry} /> },
          { key: 'who', title: 'Who', cell: (entry) => entry.principal || <span className="faint">nobody</span> },
          { key: 'action', title: 'Action', data: true, narrow: true, cell: (entry) => entry.action },
          { key: 'resource', title: 'On', data: true, narrow: true, cell: (entry) => entry.resource },
          {
            key: 'operation',
            title: 'Operation',
            data: true,
            wide: true,
            cell: (entry) => <span className="soft">{entry.operation}</span>,
          },
          {
            key: 'rows',
            title: 'Rows',
            number: true,
            narrow: true,
            cell: (entry) => ended(entry, formatCount(entry.rows)),
          },
          {
            key: 'took',
            title: 'Took',
            number: true,
            narrow: true,
            cell: (entry) => ended(entry, formatDuration(entry.duration_us / 1e6)),
          },
        ]}
      />
      <EntryDrawer entry={entries.find((entry) => String(entry.sequence) === chosen)} onClose={() => choose('')} />
    </>
  );
}

export default function AuditPage() {
  const [parameters, setParameters] = useSearchParams();
  const [opened] = useState(() => Date.now());
  const of = (name: string) => parameters.get(name) ?? '';
  const set = (name: string, value: string) =>
    setParameters((old) => {
      const changed = new URLSearchParams(old);
      if (value) changed.set(name, value);
      else changed.delete(name);
      if (name !== 'before' && name !== 'record') changed.delete('before');
      return changed;
    });
  const page = useAudit(questionOf(of, opened));
  const verify = useMutation({ mutationFn: verifyAudit });
  return (
    <Page
      title="Audit"
      subtitle="No record, no answer: an operation is written here before its answer leaves. As a table: system.audit."
      behind={{ api: '/audit' }}
      action={
        <Button loading={verify.isPending} onClick={() => verify.mutate()}>
          Prove the log
        </Button>
      }
    >
      {verify.error && <ErrorState error={verify.error} />}
      {verify.data && <Report report={verify.data} />}
      <Filters of={of} set={set} />
      <Section title="Records" note="newest first; one line an operation">
        <Loaded query={page} lines={10}>
          {(data) => (
            <Entries
              entries={withoutBegun(data.entries)}
              chosen={of('record')}
              choose={(sequence) => set('record', sequence)}
            />
          )}
        </Loaded>
      </Section>
      <div className="row">
        {of('before') && (
          <Button variant="default" onClick={() => set('before', '')}>
            Newest
          </Button>
        )}
        {page.data?.next_before != null && (
          <Button variant="default" onClick={() => set('before', String(page.data?.next_before))}>
            Older
          </Button>
        )}
      </div>
    </Page>
  );
}
