// Puts a group's offsets elsewhere: first it says what would become of them.
import { Button, Modal, NumberInput, Select, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { topics, useChange } from '../../api/queries';
import type { GroupDetail, SeekAnswer } from '../../api/types';
import { formatCount, none } from '../../design/format';
import { ErrorState } from '../../design/states';
import { Table } from '../../design/table';

const kWhere = [
  { value: 'earliest', label: 'the beginning' },
  { value: 'latest', label: 'the end' },
  { value: 'time', label: 'a time' },
  { value: 'offset', label: 'an offset' },
  { value: 'shift', label: 'so many records on or back' },
];

export function bodyOf(where: string, number: number, time: string, topic: string): Record<string, unknown> | null {
  const of = topic ? { topic } : {};
  if (where === 'offset' || where === 'shift') return { ...of, [where]: number };
  if (where !== 'time') return { ...of, to: where };
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? null : { ...of, time: at.toISOString() };
}

function Changes({ answer }: { answer: SeekAnswer }) {
  return (
    <Table
      label="What becomes of the offsets"
      rows={answer.offsets}
      keyOf={(row) => `${row.topic}:${row.partition}`}
      columns={[
        { key: 'topic', title: 'Topic', data: true, wide: true, cell: (row) => row.topic },
        { key: 'partition', title: 'Partition', number: true, cell: (row) => row.partition },
        {
          key: 'before',
          title: 'Now',
          number: true,
          cell: (row) => (row.before === null ? none : formatCount(row.before)),
        },
        { key: 'after', title: 'Then', number: true, cell: (row) => formatCount(row.after) },
      ]}
    />
  );
}

export function SeekForm({ group, onClose }: { group: GroupDetail; onClose: () => void }) {
  const [where, setWhere] = useState('earliest');
  const [number, setNumber] = useState<number | string>(0);
  const [time, setTime] = useState('');
  const [topic, setTopic] = useState('');
  const body = bodyOf(where, Number(number), time, topic);
  const asked = JSON.stringify(body);
  const [tried, setTried] = useState('');
  const dry = useChange(() => topics.seek(group.group, { ...body, dry_run: true }));
  const seek = useChange(() => topics.seek(group.group, body ?? {}), 'topics');
  const isKnown = tried === asked && dry.data !== undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isKnown) seek.mutate(undefined, { onSuccess: onClose });
    else dry.mutate(undefined, { onSuccess: () => setTried(asked) });
  };
  return (
    <Modal opened onClose={onClose} title={`Reset the offsets of ${group.group}`} size="lg">
      <form className="stack wide-gap" onSubmit={submit}>
        <Select
          label="To"
          data={kWhere}
          value={where}
          allowDeselect={false}
          onChange={(value) => setWhere(value ?? 'earliest')}
        />
        {(where === 'offset' || where === 'shift') && (
          <NumberInput
            label={where === 'offset' ? 'Offset' : 'Records; less than zero goes back'}
            allowDecimal={false}
            {...(where === 'offset' ? { min: 0 } : {})}
            value={number}
            onChange={setNumber}
          />
        )}
        {where === 'time' && (
          <TextInput
            label="Time"
            type="datetime-local"
            step={1}
            required
            value={time}
            onChange={(event) => setTime(event.target.value)}
          />
        )}
        <Select
          label="Of the topic"
          placeholder="all that it has offsets of"
          clearable
          data={group.topics}
          value={topic || null}
          onChange={(value) => setTopic(value ?? '')}
        />
        {isKnown && <Changes answer={dry.data} />}
        {(dry.error ?? seek.error) && <ErrorState error={dry.error ?? seek.error} />}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={onClose}>
            Leave it
          </Button>
          <Button type="submit" disabled={body === null} loading={dry.isPending || seek.isPending}>
            {isKnown ? 'Reset them' : 'See what would change'}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
