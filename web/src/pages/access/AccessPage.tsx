// Access: people, roles, tokens, S3 keys, secrets, and who may do what.
import { Tabs } from '@mantine/core';
import { useSearchParams } from 'wouter';
import { useMe } from '../../api/queries';
import type { Me } from '../../api/types';
import { Page } from '../../design/page';
import { Explain } from './Explain';
import { S3Keys, Secrets, Tokens } from './Keys';
import { Roles } from './Roles';
import { Users } from './Users';

const kTabs = [
  ['users', 'Users', '/users'],
  ['roles', 'Roles', '/roles'],
  ['tokens', 'Your tokens', '/tokens'],
  ['s3', 'Your S3 keys', '/s3-keys'],
  ['secrets', 'Secrets', '/secrets'],
  ['explain', 'May I?', '/me'],
] as const;

function youAre(me: Me | undefined): string {
  if (!me) return '';
  const roles = me.roles.length === 1 ? `the role ${me.roles[0]}` : `the roles ${me.roles.join(', ')}`;
  return `You are ${me.name}, with ${me.roles.length === 0 ? 'no role' : roles}.`;
}

export default function AccessPage() {
  const me = useMe();
  const [parameters, setParameters] = useSearchParams();
  const tab = kTabs.find(([name]) => name === parameters.get('tab')) ?? kTabs[me.data?.admin ? 0 : 2];
  return (
    <Page
      title="Access"
      subtitle={`One login, one policy, on every protocol. ${youAre(me.data)}`}
      behind={{ api: tab[2] }}
    >
      <Tabs value={tab[0]} onChange={(value) => setParameters({ tab: value ?? 'users' })}>
        <Tabs.List mb="md">
          {kTabs.map(([name, title]) => (
            <Tabs.Tab key={name} value={name}>
              {title}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="users">
          <Users />
        </Tabs.Panel>
        <Tabs.Panel value="roles">
          <Roles />
        </Tabs.Panel>
        <Tabs.Panel value="tokens">
          <Tokens />
        </Tabs.Panel>
        <Tabs.Panel value="s3">
          <S3Keys />
        </Tabs.Panel>
        <Tabs.Panel value="secrets">
          <Secrets />
        </Tabs.Panel>
        <Tabs.Panel value="explain">
          <Explain />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
