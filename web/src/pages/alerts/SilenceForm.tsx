// Makes a silence: of what, how long, why.
import { Button, Modal, Select, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { alerting, useChange } from '../../api/queries';
import { ErrorState } from '../../design/states';

const kTimes = [
  { value: '30m', label: 'half an hour' },
  { value: '2h', label: '2 hours' },
  { value: '1d', label: 'a day' },
  { value: '7d', label: 'a week' },
];

export function SilenceForm({ alert, onClose }: { alert: string; onClose: () => void }) {
  const [name, setName] = useState(alert);
  const [time, setTime] = useState('2h');
  const [comment, setComment] = useState('');
  const create = useChange(() => alerting.silence({ alert: name, for: time, comment }), 'alerts');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(undefined, { onSuccess: onClose });
  };
  return (
    <Modal opened onClose={onClose} title="Silence an alert">
      <form className="stack wide-gap" onSubmit={submit}>
        <TextInput
          label="Alert"
          description="Its name, or a pattern as pipeline.*"
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Select
          label="For"
          data={kTimes}
          value={time}
          allowDeselect={false}
          onChange={(value) => setTime(value ?? '2h')}
        />
        <TextInput
          label="Why"
          placeholder="the source is being moved"
          value={comment}
          onChange={(event) => setComment(event.target.value)}
        />
        {create.error && <ErrorState error={create.error} />}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={onClose}>
            Leave it
          </Button>
          <Button type="submit" loading={create.isPending}>
            Silence it
          </Button>
        </div>
      </form>
    </Modal>
  );
}
