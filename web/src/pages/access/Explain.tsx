// Whether somebody may do something, and which statement says so.
import { Autocomplete, Button, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { access, useMe, useOperations } from '../../api/queries';
import { Section } from '../../design/page';
import { ErrorState } from '../../design/states';
import { Status } from '../../design/status';

export function Explain() {
  const me = useMe();
  const operations = useOperations();
  const [principal, setPrincipal] = useState('');
  const [action, setAction] = useState('table:Read');
  const [resource, setResource] = useState('');
  const who = principal || me.data?.name || '';
  const ask = useMutation({ mutationFn: () => access.explain(who, action, resource) });
  const actions = [...new Set((operations.data ?? []).map((operation) => operation.action))].filter((each) =>
    each.includes(':'),
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    ask.mutate();
  };
  return (
    <Section title="May I?" note="the same decision that every protocol asks for">
      <form className="filters pad" onSubmit={submit}>
        <TextInput
          label="Who"
          placeholder={me.data?.name ?? ''}
          value={principal}
          onChange={(event) => setPrincipal(event.target.value)}
        />
        <Autocomplete size="xs" label="May do" required data={actions.sort()} value={action} onChange={setAction} />
        <TextInput
          label="On"
          required
          placeholder="delays.flights"
          value={resource}
          onChange={(event) => setResource(event.target.value)}
        />
        <Button type="submit" loading={ask.isPending}>
          Ask
        </Button>
      </form>
      {ask.error && (
        <div className="pad">
          <ErrorState error={ask.error} />
        </div>
      )}
      {ask.data && (
        <div className="row pad">
          <Status name={ask.data.allowed ? 'healthy' : 'denied'} word={ask.data.allowed ? 'allowed' : 'denied'} />
          <code>
            {ask.data.principal} {ask.data.action} {ask.data.resource}
          </code>
          <span className="soft">{ask.data.reason}</span>
        </div>
      )}
    </Section>
  );
}
