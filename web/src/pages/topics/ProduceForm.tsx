// Writes a record into a topic.
import { Button, Modal, Select, Textarea, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { topics, useChange } from '../../api/queries';
import type { NewRecord, TopicDetail } from '../../api/types';
import { ErrorState } from '../../design/states';
import { Status } from '../../design/status';

// "name: value" a line; null: a line has none.
export function headersOf(text: string): { key: string; value: string }[] | null {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return { key: line.slice(0, colon).trim(), value: line.slice(colon + 1).trim(), isOne: colon > 0 };
  });
  return headers.every((header) => header.isOne) ? headers.map(({ key, value }) => ({ key, value })) : null;
}

export function ProduceForm({ topic, onClose }: { topic: TopicDetail; onClose: () => void }) {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const [headers, setHeaders] = useState('');
  const [partition, setPartition] = useState('');
  const pairs = headersOf(headers);
  const record: NewRecord = {
    value,
    ...(key ? { key } : {}),
    ...(partition ? { partition: Number(partition) } : {}),
    ...(pairs?.length ? { headers: pairs } : {}),
  };
  const produce = useChange(() => topics.produce(topic.name, [record]), 'topics');
  const place = produce.data?.places[0];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (pairs) produce.mutate(undefined);
  };
  return (
    <Modal opened onClose={onClose} title={`Produce into ${topic.name}`}>
      <form className="stack wide-gap" onSubmit={submit}>
        <Textarea
          label="Value"
          size="xs"
          autosize
          minRows={5}
          maxRows={16}
          data-autofocus
          classNames={{ input: 'data' }}
          value={value}
          onChange={(event) => setValue(event.target.value)}
        />
        <TextInput
          label="Key"
          description="Records of one key are in one partition, in their order"
          placeholder="none"
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
        <Textarea
          label="Headers"
          size="xs"
          description="A line each, as name: value"
          placeholder="none"
          autosize
          minRows={1}
          maxRows={6}
          error={pairs ? null : 'A line is name: value'}
          value={headers}
          onChange={(event) => setHeaders(event.target.value)}
        />
        <Select
          label="Partition"
          placeholder="by the key"
          clearable
          data={topic.partitions.map((each) => String(each.partition))}
          value={partition || null}
          onChange={(chosen) => setPartition(chosen ?? '')}
        />
        {produce.error && <ErrorState error={produce.error} />}
        <span role="status">
          {place && <Status name="ok" word={`on the disk: partition ${place.partition}, offset ${place.offset}`} />}
        </span>
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={onClose}>
            Close
          </Button>
          <Button type="submit" loading={produce.isPending}>
            Produce it
          </Button>
        </div>
      </form>
    </Modal>
  );
}
