// Two runs side by side: what they were told, what they read and made, how long each part took, the code, the log.
import { Select } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link, useSearchParams } from 'wouter';
import { isUnderWay, useRun, useRunDefinition, useRuns } from '../../api/queries';
import type { Run, RunDetail, RunPart } from '../../api/types';
import { Difference } from '../../design/Difference';
import { formatCount, formatDuration, formatExact, none, plural } from '../../design/format';
import { Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded, Loading } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Said } from '../../design/time';
import { useRunLog } from './useRunLog';

const kAround = 3;
const kChoices = 200;
const kLogLinesMax = 2000;

interface Fact {
  name: string;
  one: ReactNode;
  other: ReactNode;
  differs: boolean;
  change?: string;
}

// Seconds that a run spent on something, over all its attempts.
function secondsOf(run: RunDetail, ...what: RunPart['what'][]): number {
  return run.parts
    .filter((part) => what.includes(part.what))
    .reduce((sum, part) => sum + ((part.to ? Date.parse(part.to) : Date.now()) - Date.parse(part.from)) / 1000, 0);
}

// "2.1 x", "−40": how the second number stands to the first.
export function changeOf(one: number, other: number, asFactor: boolean): string {
  if (one < 0 || other < 0 || one === other) return '';
  if (!asFactor) return (other > one ? '+' : '−') + formatCount(Math.abs(other - one));
  if (one < 0.001 || other < 0.001) return '';
  return `${(other / one).toFixed(2)} ×`;
}

function textFact(name: string, one: string, other: string): Fact {
  return { name, one: <Said text={one || none} />, other: <Said text={other || none} />, differs: one !== other };
}

function timeFact(name: string, one: number, other: number): Fact {
  const differs = Math.max(one, other) > 1.2 * Math.min(one, other) && Math.abs(one - other) > 0.05;
  return { name, one: formatDuration(one), other: formatDuration(other), differs, change: changeOf(one, other, true) };
}

function factsOf(one: RunDetail, other: RunDetail): Fact[] {
  const pairs = (name: string, of: (run: RunDetail) => Record<string, string>) =>
    [...new Set([...Object.keys(of(one)), ...Object.keys(of(other))])]
      .sort()
      .map((key) => textFact(`${name} ${key}`, of(one)[key] ?? '', of(other)[key] ?? ''));
  return [
    {
      name: 'State',
      one: <Status name={one.state} />,
      other: <Status name={other.state} />,
      differs: one.state !== other.state,
    },
    ...(one.task === other.task ? [] : [textFact('Task', one.task, other.task)]),
    textFact('Because of', one.trigger, other.trigger),
    { name: 'Queued', one: formatExact(one.queued_at), other: formatExact(other.queued_at), differs: false },
    timeFact('Ran', secondsOf(one, 'running'), secondsOf(other, 'running')),
    timeFact(
      'Waited',
      secondsOf(one, 'queued', 'waiting_retry', 'waiting_outside', 'waiting_approval'),
      secondsOf(other, 'queued', 'waiting_retry', 'waiting_outside', 'waiting_approval'),
    ),
    textFact('Attempts', String(one.attempt), String(other.attempt)),
    {
      name: 'Rows',
      one: formatCount(one.rows),
      other: formatCount(other.rows),
      differs: one.rows !== other.rows,
      change: changeOf(one.rows, other.rows, false),
    },
    textFact('Version', one.version, other.version),
    ...pairs('Parameter', (run) => run.parameters),
    ...pairs('Read', (run) => run.inputs),
    ...pairs('After', (run) => run.after),
    ...(one.error || other.error ? [textFact('Error', one.error, other.error)] : []),
    ...(one.warnings.length + other.warnings.length > 0
      ? [textFact('Warnings', one.warnings.join('\n'), other.warnings.join('\n'))]
      : []),
  ];
}

function Facts({ one, other }: { one: RunDetail; other: RunDetail }) {
  const facts = factsOf(one, other);
  const count = facts.filter((fact) => fact.differs).length;
  const mark = (fact: Fact, value: ReactNode) => (fact.differs ? <mark className="differs">{value}</mark> : value);
  return (
    <Section title="What differs" note={count === 0 ? 'nothing but the times' : plural(count, 'difference')}>
      <Table
        label="What differs"
        rows={facts}
        keyOf={(fact) => fact.name}
        columns={[
          { key: 'name', title: '', cell: (fact) => <span className="soft">{fact.name}</span> },
          { key: 'one', title: `Run ${one.id}`, wraps: true, cell: (fact) => fact.one },
          { key: 'other', title: `Run ${other.id}`, wraps: true, cell: (fact) => mark(fact, fact.other) },
          { key: 'change', title: 'Change', wide: true, narrow: true, cell: (fact) => fact.change ?? '' },
        ]}
      />
    </Section>
  );
}

function Code({ one, other }: { one: RunDetail; other: RunDetail }) {
  const first = useRunDefinition(one.id);
  const second = useRunDefinition(other.id);
  const error = first.error ?? second.error;
  const alike = first.data && second.data && first.data.text === second.data.text;
  return (
    <Section title="Code" note={alike ? 'the same' : second.data?.file}>
      {error ? (
        <ErrorState error={error} advice="What a run was defined as is kept since this version of Tarn." />
      ) : !first.data || !second.data ? (
        <Loading lines={3} />
      ) : alike ? (
        <Empty title="The definition is the same">{`As it was since run ${second.data.since_run}.`}</Empty>
      ) : (
        <div className="section-body">
          <Difference label="The code" before={first.data.text} after={second.data.text} around={kAround} />
        </div>
      )}
    </Section>
  );
}

// Numbers of runs and moments differ in every line: only what is said counts.
function saidIn(lines: { text: string }[], run: string): string {
  const number = new RegExp(`\\b${run}\\b`, 'g');
  const moment = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
  const took = /\b\d+(\.\d+)? (µs|ms|s)\b/g;
  return lines
    .slice(-kLogLinesMax)
    .map((line) => line.text.replace(moment, '<time>').replace(number, '<run>').replace(took, '<took>'))
    .join('\n');
}

function Logs({ one, other }: { one: RunDetail; other: RunDetail }) {
  const first = useRunLog(one.id);
  const second = useRunLog(other.id);
  const isReading = (first.live && !isUnderWay(one.state)) || (second.live && !isUnderWay(other.state));
  const before = saidIn(first.lines, one.id);
  const after = saidIn(second.lines, other.id);
  const cut = Math.max(first.lines.length, second.lines.length) > kLogLinesMax;
  return (
    <Section
      title="Log"
      note={
        before === after
          ? 'the same, but for times'
          : cut
            ? `the last ${kLogLinesMax.toLocaleString('en-US')} lines`
            : undefined
      }
    >
      {(first.error ?? second.error) !== null && <ErrorState error={first.error ?? second.error} />}
      {isReading ? (
        <Loading lines={4} />
      ) : before === after ? (
        <Empty title="Both said the same">Times, and the runs’ own numbers, do not count.</Empty>
      ) : (
        <div className="section-body">
          <Difference label="The logs" before={before} after={after} around={kAround} />
        </div>
      )}
    </Section>
  );
}

function choiceOf(run: Run): { value: string; label: string } {
  return { value: run.id, label: `${run.id}, ${run.state.replace('_', ' ')}, ${formatExact(run.queued_at)}` };
}

function Choice(props: { label: string; value: string; runs: Run[]; onChange: (id: string) => void }) {
  const known = props.runs.some((run) => run.id === props.value);
  const choices = props.runs.map(choiceOf);
  return (
    <Select
      label={props.label}
      w={340}
      searchable
      allowDeselect={false}
      data={known ? choices : [...choices, { value: props.value, label: props.value }]}
      value={props.value}
      onChange={(value) => value && props.onChange(value)}
    />
  );
}

function Both({ one, other }: { one: RunDetail; other: RunDetail }) {
  return (
    <>
      <Facts one={one} other={other} />
      <Code one={one} other={other} />
      <Logs one={one} other={other} />
    </>
  );
}

export default function ComparePage() {
  const [parameters, setParameters] = useSearchParams();
  const a = parameters.get('a') ?? '';
  const b = parameters.get('b') ?? '';
  const one = useRun(a);
  const other = useRun(b);
  const task = other.data?.task ?? one.data?.task ?? '';
  const runs = useRuns({ task, state: '', before: '', limit: kChoices });
  const set = (name: string, id: string) => setParameters({ a, b, [name]: id });
  return (
    <Page
      title="Two runs"
      above={{ text: 'Runs', href: task ? `/runs?task=${encodeURIComponent(task)}` : '/runs' }}
      subtitle={task && <Link href={`/runs/${b}`}>{task}</Link>}
      behind={{ api: `/runs/${b}` }}
    >
      <div className="filters">
        <Choice label="Run" value={a} runs={runs.data ?? []} onChange={(id) => set('a', id)} />
        <Choice label="against" value={b} runs={runs.data ?? []} onChange={(id) => set('b', id)} />
      </div>
      <Loaded query={one}>
        {(first) => <Loaded query={other}>{(second) => <Both key={`${a} ${b}`} one={first} other={second} />}</Loaded>}
      </Loaded>
    </Page>
  );
}
