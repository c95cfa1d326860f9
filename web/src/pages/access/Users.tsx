// People: who there is, with which roles; new ones, passwords.
import { Button, Modal, MultiSelect, PasswordInput, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { access, useChange, useMe, useRoles, useUsers } from '../../api/queries';
import type { User } from '../../api/types';
import { ConfirmButton } from '../../design/confirm';
import { plural } from '../../design/format';
import { Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';

function NewUser({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [given, setGiven] = useState<string[]>([]);
  const roles = useRoles();
  const create = useChange(() => access.createUser({ name, password, roles: given }), 'access');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(undefined, { onSuccess: onClose });
  };
  return (
    <Modal opened onClose={onClose} title="New user">
      <form className="stack wide-gap" onSubmit={submit}>
        {create.error && <ErrorState error={create.error} />}
        <TextInput
          label="Name"
          data-autofocus
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="new-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <MultiSelect
          size="xs"
          label="Roles"
          data={(roles.data ?? []).map((role) => role.name)}
          value={given}
          onChange={setGiven}
        />
        <Button type="submit" loading={create.isPending}>
          Create the user
        </Button>
      </form>
    </Modal>
  );
}

function EditUser({ user, onClose }: { user: User; onClose: () => void }) {
  const me = useMe();
  const roles = useRoles();
  const [password, setPassword] = useState('');
  const [current, setCurrent] = useState('');
  const [given, setGiven] = useState(user.roles);
  const own = me.data?.name === user.name && user.has_password;
  const save = useChange(
    async () => {
      for (const role of given.filter((each) => !user.roles.includes(each))) await access.grantRole(user.name, role);
      for (const role of user.roles.filter((each) => !given.includes(each))) await access.revokeRole(user.name, role);
      if (password) await access.setPassword(user.name, password, own ? current : '');
    },
    'access',
    'me',
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate(undefined, { onSuccess: onClose });
  };
  return (
    <Modal opened onClose={onClose} title={`User ${user.name}`}>
      <form className="stack wide-gap" onSubmit={submit}>
        {save.error && <ErrorState error={save.error} />}
        <MultiSelect
          size="xs"
          label="Roles"
          data={[...new Set([...(roles.data ?? []).map((role) => role.name), ...user.roles])]}
          value={given}
          onChange={setGiven}
        />
        {own && (
          <PasswordInput
            label="Current password"
            autoComplete="current-password"
            value={current}
            onChange={(event) => setCurrent(event.target.value)}
          />
        )}
        <PasswordInput
          label="New password"
          description="Left empty, it stays as it is"
          autoComplete="new-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <Button type="submit" loading={save.isPending}>
          Save
        </Button>
      </form>
    </Modal>
  );
}

export function Users() {
  const users = useUsers();
  const me = useMe();
  const [adding, setAdding] = useState(false);
  const [editing, setEditing] = useState<User>();
  const drop = useChange((name: string) => access.deleteUser(name), 'access');
  return (
    <Section
      title="Users"
      note={users.data && plural(users.data.length, 'user')}
      action={<Button onClick={() => setAdding(true)}>New user</Button>}
    >
      {drop.error && <ErrorState error={drop.error} />}
      <Loaded query={users}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No users" command="tarn user add alice" />
          ) : (
            <Table
              label="Users"
              rows={list}
              keyOf={(user) => user.name}
              onOpen={setEditing}
              columns={[
                { key: 'name', title: 'Name', cell: (user) => user.name },
                {
                  key: 'roles',
                  title: 'Roles',
                  wide: true,
                  cell: (user) => user.roles.join(', ') || <span className="faint">none</span>,
                },
                { key: 'groups', title: 'Groups', narrow: true, cell: (user) => user.groups.join(', ') },
                {
                  key: 'password',
                  title: 'Password',
                  narrow: true,
                  cell: (user) => (user.has_password ? 'set' : 'none'),
                },
                { key: 'login', title: 'Last login', cell: (user) => <Ago time={user.last_login_at} /> },
                {
                  key: 'drop',
                  title: '',
                  cell: (user) =>
                    user.name !== me.data?.name && (
                      <ConfirmButton
                        label="Delete"
                        title={`Delete ${user.name}`}
                        onConfirm={() => drop.mutate(user.name)}
                      >
                        {user.name}&rsquo;s sessions, tokens and S3 keys end at once. What {user.name} did stays in the
                        audit log.
                      </ConfirmButton>
                    ),
                },
              ]}
            />
          )
        }
      </Loaded>
      {adding && <NewUser onClose={() => setAdding(false)} />}
      {editing && <EditUser user={editing} onClose={() => setEditing(undefined)} />}
    </Section>
  );
}
