// Tokens, S3 keys and secrets. What is secret is shown once, when it is made, or never.
import { Button, PasswordInput, Select, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { access, useChange, useS3Keys, useSecrets, useTokens } from '../../api/queries';
import type { NewS3Key, NewToken } from '../../api/types';
import { ConfirmButton } from '../../design/confirm';
import { CopyLine } from '../../design/copy';
import { Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';

const kLifetimes = [
  { value: '1d', label: 'for a day' },
  { value: '30d', label: 'for 30 days' },
  { value: '90d', label: 'for 90 days' },
  { value: '365d', label: 'for a year' },
];

function Shown({ made }: { made: NewToken }) {
  return (
    <div className="stack">
      <p>
        The token <strong>{made.name}</strong>, shown this once. It is also a password for the SQL wire and for Basic
        login.
      </p>
      <CopyLine text={made.token} label="Copy the token" />
      <CopyLine text={`curl -H "Authorization: Bearer ${made.token}" ${window.location.origin}/api/v1/me`} />
    </div>
  );
}

export function Tokens() {
  const tokens = useTokens();
  const [name, setName] = useState('');
  const [ttl, setTtl] = useState('90d');
  const create = useChange(() => access.createToken(name, ttl), 'access');
  const drop = useChange((which: string) => access.deleteToken(which), 'access');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(undefined, { onSuccess: () => setName('') });
  };
  const error = create.error ?? drop.error;
  return (
    <Section title="Your tokens" note="for programs that act as you">
      <form className="filters pad" onSubmit={submit}>
        <TextInput
          label="Name"
          required
          placeholder="notebook"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Select
          label="Valid"
          w={140}
          data={kLifetimes}
          value={ttl}
          allowDeselect={false}
          onChange={(value) => setTtl(value ?? '90d')}
        />
        <Button type="submit" loading={create.isPending}>
          Create a token
        </Button>
      </form>
      {(error || create.data) && (
        <div className="pad">
          {error && <ErrorState error={error} />}
          {create.data && <Shown made={create.data} />}
        </div>
      )}
      <Loaded query={tokens}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No tokens">Name one after the program that will use it, so that it can be ended alone.</Empty>
          ) : (
            <Table
              label="Tokens"
              rows={list}
              keyOf={(token) => token.name}
              columns={[
                { key: 'name', title: 'Name', wide: true, cell: (token) => token.name },
                { key: 'made', title: 'Created', cell: (token) => <Ago time={token.created_at} /> },
                { key: 'ends', title: 'Ends', cell: (token) => <Ago time={token.expires_at} /> },
                { key: 'used', title: 'Last used', cell: (token) => <Ago time={token.last_used_at} /> },
                {
                  key: 'drop',
                  title: '',
                  cell: (token) => (
                    <ConfirmButton
                      label="Delete"
                      title={`Delete the token ${token.name}`}
                      onConfirm={() => drop.mutate(token.name)}
                    >
                      Programs that use it are refused from now on.
                    </ConfirmButton>
                  ),
                },
              ]}
            />
          )
        }
      </Loaded>
    </Section>
  );
}

function ShownKey({ made }: { made: NewS3Key }) {
  return (
    <div className="stack">
      <p>Shown this once:</p>
      <CopyLine
        text={`export AWS_ACCESS_KEY_ID=${made.access_key_id} AWS_SECRET_ACCESS_KEY=${made.secret_access_key}`}
      />
    </div>
  );
}

export function S3Keys() {
  const keys = useS3Keys();
  const [description, setDescription] = useState('');
  const create = useChange(() => access.createS3Key(description), 'access');
  const drop = useChange((id: string) => access.deleteS3Key(id), 'access');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(undefined, { onSuccess: () => setDescription('') });
  };
  const error = create.error ?? drop.error;
  return (
    <Section title="Your S3 keys" note="for aws, boto3, rclone, Spark">
      <form className="filters pad" onSubmit={submit}>
        <TextInput
          label="What for"
          w={280}
          placeholder="rclone on the laptop"
          value={description}
          onChange={(event) => setDescription(event.target.value)}
        />
        <Button type="submit" loading={create.isPending}>
          Create a key
        </Button>
      </form>
      {(error || create.data) && (
        <div className="pad">
          {error && <ErrorState error={error} />}
          {create.data && <ShownKey made={create.data} />}
        </div>
      )}
      <Loaded query={keys}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No S3 keys">A key lets an S3 client see what you may see, and no more.</Empty>
          ) : (
            <Table
              label="S3 keys"
              rows={list}
              keyOf={(key) => key.access_key_id}
              columns={[
                { key: 'id', title: 'Access key', data: true, cell: (key) => key.access_key_id },
                { key: 'what', title: 'What for', wide: true, cell: (key) => key.description },
                { key: 'made', title: 'Created', cell: (key) => <Ago time={key.created_at} /> },
                { key: 'used', title: 'Last used', cell: (key) => <Ago time={key.last_used_at} /> },
                {
                  key: 'drop',
                  title: '',
                  cell: (key) => (
                    <ConfirmButton
                      label="Delete"
                      title={`Delete ${key.access_key_id}`}
                      onConfirm={() => drop.mutate(key.access_key_id)}
                    >
                      S3 clients that use it are refused from now on.
                    </ConfirmButton>
                  ),
                },
              ]}
            />
          )
        }
      </Loaded>
    </Section>
  );
}

export function Secrets() {
  const secrets = useSecrets();
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const keep = useChange(() => access.setSecret(name, value), 'access');
  const drop = useChange((which: string) => access.deleteSecret(which), 'access');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    keep.mutate(undefined, {
      onSuccess: () => {
        setName('');
        setValue('');
      },
    });
  };
  const error = keep.error ?? drop.error;
  return (
    <Section title="Secrets" note="a file names one as secret:NAME; a value goes in and never comes out">
      <form className="filters pad" onSubmit={submit}>
        <TextInput
          label="Name"
          required
          placeholder="registry"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <PasswordInput
          label="Value"
          required
          w={280}
          autoComplete="off"
          value={value}
          onChange={(event) => setValue(event.target.value)}
        />
        <Button type="submit" loading={keep.isPending}>
          Keep the secret
        </Button>
      </form>
      {error && (
        <div className="pad">
          <ErrorState error={error} />
        </div>
      )}
      <Loaded query={secrets}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No secrets" command="tarn secret set registry">
              Passwords of sources belong here, not into files:
            </Empty>
          ) : (
            <Table
              label="Secrets"
              rows={list}
              keyOf={(secret) => secret.name}
              columns={[
                { key: 'name', title: 'Name', data: true, wide: true, cell: (secret) => secret.name },
                { key: 'set', title: 'Set', cell: (secret) => <Ago time={secret.updated_at} /> },
                {
                  key: 'drop',
                  title: '',
                  cell: (secret) => (
                    <ConfirmButton
                      label="Delete"
                      title={`Delete the secret ${secret.name}`}
                      onConfirm={() => drop.mutate(secret.name)}
                    >
                      Its value is lost for good; sources that name it fail until it is set again.
                    </ConfirmButton>
                  ),
                },
              ]}
            />
          )
        }
      </Loaded>
    </Section>
  );
}
