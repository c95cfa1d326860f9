// The records of a topic: the newest first, from the beginning, an offset or a time on, with a text in them, or live.
import { Button, Select, Switch, TextInput } from '@mantine/core';
import { useState, type KeyboardEvent } from 'react';
import { useSearchParams } from 'wouter';
import { useRecords, type RecordQuestion } from '../../api/queries';
import type { TopicDetail, TopicRecord } from '../../api/types';
import { formatCount, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Empty, ErrorState, Loading } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';
import { shortOf } from './decode';
import { RecordDrawer } from './RecordDrawer';
import { useTail, type Tail } from './useTail';

const kFrom = [
  { value: 'newest', label: 'the newest' },
  { value: 'oldest', label: 'the oldest' },
  { value: 'offset', label: 'an offset' },
  { value: 'time', label: 'a time' },
];
const kShownMax = 2000;
const kKeyMax = 40;

type Set = (changes: Record<string, string>) => void;
type Of = (name: string) => string;

// What is typed counts once Enter is pressed or the field is left: each letter would be a search.
function Typed(props: {
  label: string;
  value: string;
  placeholder: string;
  w: number;
  onDone: (text: string) => void;
}) {
  const [text, setText] = useState(props.value);
  const done = () => text !== props.value && props.onDone(text);
  return (
    <TextInput
      label={props.label}
      w={props.w}
      placeholder={props.placeholder}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onBlur={done}
      onKeyDown={(event: KeyboardEvent) => event.key === 'Enter' && done()}
    />
  );
}

function Filters({ topic, of, set }: { topic: TopicDetail; of: Of; set: Set }) {
  const live = of('live') === '1';
  const from = of('from') || 'newest';
  const partitions = topic.partitions.map(({ partition }) => String(partition));
  return (
    <div className="filters pad">
      <Select
        label="From"
        w={130}
        disabled={live}
        data={kFrom}
        value={from}
        allowDeselect={false}
        onChange={(value) => set({ from: value === 'newest' ? '' : (value ?? ''), at: '' })}
      />
      {!live && from === 'offset' && (
        <Typed label="Offset" w={110} placeholder="0" value={of('at')} onDone={(at) => set({ at })} />
      )}
      {!live && from === 'time' && (
        <TextInput
          label="Time"
          type="datetime-local"
          step={1}
          w={210}
          value={of('at')}
          onChange={(event) => set({ at: event.target.value })}
        />
      )}
      <Select
        label="Partition"
        w={110}
        placeholder="all"
        clearable
        searchable
        data={partitions}
        value={of('partition') || null}
        onChange={(value) => set({ partition: value ?? '' })}
      />
      <Typed
        label="With the text"
        w={220}
        placeholder="in key, value or headers"
        value={of('q')}
        onDone={(q) => set({ q })}
      />
      <Switch
        label="Live"
        checked={live}
        disabled={!topic.may['topic:Read']}
        onChange={(event) => set({ live: event.currentTarget.checked ? '1' : '' })}
      />
    </div>
  );
}

function Shown({ text, base64, max }: { text: string | null; base64: boolean | undefined; max?: number }) {
  if (text === null) return <span className="null">NULL</span>;
  if (text === '') return <span className="faint">empty</span>;
  return <>{shortOf(text, base64 === true, max)}</>;
}

const idOf = (record: TopicRecord): string => `${record.partition}:${record.offset}`;

function List({ records, chosen, choose }: { records: TopicRecord[]; chosen: string; choose: (id: string) => void }) {
  return (
    <Table
      label="Records"
      rows={records}
      keyOf={idOf}
      current={chosen}
      onOpen={(record) => choose(idOf(record))}
      columns={[
        { key: 'time', title: 'When', cell: (record) => <Ago time={record.time} /> },
        { key: 'partition', title: 'Partition', number: true, narrow: true, cell: (record) => record.partition },
        { key: 'offset', title: 'Offset', number: true, cell: (record) => record.offset },
        {
          key: 'key',
          title: 'Key',
          data: true,
          cell: (record) => <Shown text={record.key} base64={record.key_is_base64} max={kKeyMax} />,
        },
        {
          key: 'value',
          title: 'Value',
          data: true,
          wide: true,
          cell: (record) => <Shown text={record.value} base64={record.value_is_base64} />,
        },
      ]}
    />
  );
}

function download(name: string, records: TopicRecord[]): void {
  const lines = records.map((record) => JSON.stringify(record) + '\n');
  const address = URL.createObjectURL(new Blob(lines, { type: 'application/x-ndjson' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = `${name}.jsonl`;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function Download({ name, records }: { name: string; records: TopicRecord[] }) {
  return (
    <Button
      variant="default"
      disabled={records.length === 0}
      leftSection={<Icon name="download" size={16} />}
      onClick={() => download(name, records)}
    >
      Download these
    </Button>
  );
}

function Following({ tail }: { tail: Tail }) {
  const more = tail.seen > tail.records.length ? `, the newest ${formatCount(tail.records.length)} are shown` : '';
  const skipped = tail.skipped > 0 ? `; ${plural(tail.skipped, 'record')} came too quickly and were left out` : '';
  return (
    <span className="row grow">
      <Status
        name={tail.state === 'live' ? 'running' : tail.state === 'lost' ? 'warning' : 'waiting'}
        word={tail.state === 'live' ? 'live' : tail.state === 'lost' ? 'lost, tries again' : 'connecting'}
      />
      <span className="faint">
        {plural(tail.seen, 'record')} since you look{more}
        {skipped}
      </span>
    </span>
  );
}

// A time of the reader's own zone, as datetime-local has it.
const instantOf = (local: string): string => {
  const at = new Date(local);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
};

function questionOf(topic: string, of: Of): RecordQuestion {
  const from = of('from') || 'newest';
  return {
    topic,
    order: from === 'newest' ? 'newest' : 'oldest',
    partition: of('partition'),
    filter: of('q'),
    offset: from === 'offset' ? of('at') || '0' : '',
    time: from === 'time' ? instantOf(of('at')) : '',
  };
}

export function Records({ topic }: { topic: TopicDetail }) {
  const [parameters, setParameters] = useSearchParams();
  const of: Of = (name) => parameters.get(name) ?? '';
  const set: Set = (changes) =>
    setParameters((old) => {
      const changed = new URLSearchParams(old);
      for (const [name, value] of Object.entries(changes)) {
        if (value) changed.set(name, value);
        else changed.delete(name);
      }
      return changed;
    });
  const live = of('live') === '1';
  const tail = useTail(topic.name, of('partition'), of('q'), live);
  const pages = useRecords(questionOf(topic.name, of), !live && topic.may['topic:Read'] === true);
  if (!topic.may['topic:Read'])
    return (
      <Empty title="You may not read its records">
        Ask an administrator for topic:Read on {topic.name}: see Access, “May I?”.
      </Empty>
    );
  const read = pages.data?.pages.flatMap((page) => page.records) ?? [];
  const scanned = pages.data?.pages.reduce((sum, page) => sum + page.scanned, 0) ?? 0;
  const records = live ? tail.records : read;
  const chosen = of('record');
  const choose = (id: string) => set({ record: id });
  return (
    <>
      <Filters topic={topic} of={of} set={set} />
      <div className="row pad">
        {live ? (
          <Following tail={tail} />
        ) : (
          <span className="faint grow" role="status">
            {pages.isFetching ? 'Looking…' : `${plural(read.length, 'record')} of ${formatCount(scanned)} looked at`}
          </span>
        )}
        {!live && (
          <Button variant="default" onClick={() => void pages.refetch()} leftSection={<Icon name="retry" size={16} />}>
            Look again
          </Button>
        )}
        <Download name={topic.name} records={records} />
      </div>
      {!live && pages.error && <ErrorState error={pages.error} retry={() => void pages.refetch()} />}
      {!live && pages.isPending && <Loading />}
      {records.length > 0 && <List records={records} chosen={chosen} choose={choose} />}
      {records.length === 0 && live && <Empty title="Waiting for records">What comes is shown here at once.</Empty>}
      {records.length === 0 && !live && pages.isSuccess && !pages.hasNextPage && (
        <Empty
          title={of('q') ? `Nothing with “${of('q')}”` : 'No records'}
          command={`echo hello | tarn topic produce ${topic.name}`}
        >
          {of('q') ? 'Everything that is there was looked at.' : 'Nothing is here, or not from there on.'}
        </Empty>
      )}
      {!live && pages.hasNextPage && (
        <div className="row pad">
          {read.length < kShownMax ? (
            <Button variant="default" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
              {of('from') ? 'Show later ones' : 'Show older ones'}
            </Button>
          ) : (
            <span className="faint">A page holds {formatCount(kShownMax)}: look for a text, or begin elsewhere.</span>
          )}
        </div>
      )}
      <RecordDrawer
        topic={topic.name}
        id={chosen}
        known={records.find((record) => idOf(record) === chosen)}
        onClose={() => choose('')}
      />
    </>
  );
}
