// Makes a topic: its name, how many partitions, how long it keeps records.
import { Button, Modal, NumberInput, Select, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { useLocation } from 'wouter';
import { topics, useChange } from '../../api/queries';
import { ErrorState } from '../../design/states';

const kDay = 86_400_000;
const kKept = [
  { value: String(kDay), label: 'a day' },
  { value: String(7 * kDay), label: 'a week' },
  { value: String(30 * kDay), label: '30 days' },
  { value: '-1', label: 'for ever' },
];

export function CreateTopic({ onClose }: { onClose: () => void }) {
  const [, navigate] = useLocation();
  const [name, setName] = useState('');
  const [partitions, setPartitions] = useState<number | string>(1);
  const [kept, setKept] = useState(String(7 * kDay));
  const settings: Record<string, string> = kept === String(7 * kDay) ? {} : { 'retention.ms': kept };
  const create = useChange(() => topics.create(name.trim(), Number(partitions), settings), 'topics');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(undefined, { onSuccess: () => navigate(`/topics/${encodeURIComponent(name.trim())}`) });
  };
  return (
    <Modal opened onClose={onClose} title="Create a topic">
      <form className="stack wide-gap" onSubmit={submit}>
        <TextInput
          label="Name"
          description="Letters, digits, '.', '_' and '-'"
          required
          data-autofocus
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <NumberInput
          label="Partitions"
          description="As many consumers of a group can share the work; they can become more, never fewer"
          min={1}
          max={10_000}
          allowDecimal={false}
          value={partitions}
          onChange={setPartitions}
        />
        <Select
          label="Keep records"
          data={kKept}
          value={kept}
          allowDeselect={false}
          onChange={(value) => setKept(value ?? String(7 * kDay))}
        />
        {create.error && <ErrorState error={create.error} />}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={onClose}>
            Leave it
          </Button>
          <Button type="submit" loading={create.isPending}>
            Create it
          </Button>
        </div>
      </form>
    </Modal>
  );
}
