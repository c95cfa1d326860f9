// One record whole: its value as JSON, text or bytes, its key, headers and place.
import { Button, Drawer, SegmentedControl } from '@mantine/core';
import { useState } from 'react';
import { useRecord } from '../../api/queries';
import type { TopicRecord } from '../../api/types';
import { CopyButton } from '../../design/copy';
import { formatBytes, formatExact } from '../../design/format';
import { Icon } from '../../design/icons';
import { Facts } from '../../design/page';
import { Empty, Loaded } from '../../design/states';
import { bytesOf, looksOf, showAs, type Look } from './decode';

const kLooks: Record<Look, string> = { json: 'JSON', text: 'Text', hex: 'Bytes' };

function save(name: string, text: string, isBase64: boolean): void {
  const address = URL.createObjectURL(new Blob([bytesOf(text, isBase64)]));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function Content(props: {
  title: string;
  text: string | null;
  base64: boolean;
  bytes: number | undefined;
  file: string;
}) {
  const { title, text, base64, bytes, file } = props;
  const [wanted, setWanted] = useState<Look>('json');
  if (text === null)
    return (
      <div className="stack">
        <h3>{title}</h3>
        <span className="null">NULL</span>
      </div>
    );
  const looks = looksOf(text, base64);
  const look = looks.includes(wanted) ? wanted : looks[0]!;
  return (
    <div className="stack">
      <div className="row">
        <h3 className="grow">{title}</h3>
        {looks.length > 1 && (
          <SegmentedControl
            aria-label={`${title} as`}
            data={looks.map((value) => ({ value, label: kLooks[value] }))}
            value={look}
            onChange={(value) => setWanted(value as Look)}
          />
        )}
      </div>
      <pre className="code-block wraps" tabIndex={0} aria-label={title}>
        {showAs(look, text, base64)}
      </pre>
      {bytes !== undefined && <span className="faint">The beginning; it has {formatBytes(bytes)}.</span>}
      <div className="row">
        <CopyButton text={() => showAs(look, text, base64)}>Copy</CopyButton>
        <Button
          variant="default"
          leftSection={<Icon name="download" size={16} />}
          onClick={() => save(file, text, base64)}
        >
          Download
        </Button>
      </div>
    </div>
  );
}

function Headers({ record }: { record: TopicRecord }) {
  if (record.headers.length === 0) return null;
  return (
    <div className="stack">
      <h3>Headers</h3>
      <Facts
        facts={record.headers.map((header, index) => [
          header.key,
          <code key={index}>
            {header.value === null ? 'NULL' : showAs('text', header.value, header.value_is_base64 === true)}
          </code>,
        ])}
      />
    </div>
  );
}

function Whole({ topic, record }: { topic: string; record: TopicRecord }) {
  const file = `${topic}-${record.partition}-${record.offset}`;
  return (
    <div className="stack wide-gap">
      <Facts
        facts={[
          ['Time', record.time ? formatExact(record.time) : '–'],
          ['Partition', String(record.partition)],
          ['Offset', String(record.offset)],
        ]}
      />
      <Content
        title="Value"
        text={record.value}
        base64={record.value_is_base64 === true}
        bytes={record.value_bytes}
        file={file + '.value'}
      />
      <Content
        title="Key"
        text={record.key}
        base64={record.key_is_base64 === true}
        bytes={record.key_bytes}
        file={file + '.key'}
      />
      <Headers record={record} />
    </div>
  );
}

export function RecordDrawer(props: {
  topic: string;
  id: string; // "partition:offset", or nothing
  known: TopicRecord | undefined;
  onClose: () => void;
}) {
  const { topic, id, known, onClose } = props;
  const [partition, offset] = id.split(':').map(Number);
  const isPlace = id !== '' && Number.isSafeInteger(partition) && Number.isSafeInteger(offset);
  const isWhole = known !== undefined && known.value_bytes === undefined && known.key_bytes === undefined;
  const asked = useRecord(topic, isPlace && !isWhole ? { partition: partition!, offset: offset! } : undefined);
  return (
    <Drawer opened={id !== ''} onClose={onClose} title={`Record ${id} of ${topic}`}>
      {isWhole ? (
        <Whole key={id} topic={topic} record={known} />
      ) : (
        isPlace && (
          <Loaded query={asked}>
            {(record) =>
              record ? (
                <Whole key={id} topic={topic} record={record} />
              ) : (
                <Empty title="It is gone">Retention has dropped it, or it was never there.</Empty>
              )
            }
          </Loaded>
        )
      )}
    </Drawer>
  );
}
