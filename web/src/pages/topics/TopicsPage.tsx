// Topics: all of them, what is in them and how much comes in; and who reads them.
import { Button, Tabs } from '@mantine/core';
import { useState } from 'react';
import { useSearchParams } from 'wouter';
import { useGroups, useTopics } from '../../api/queries';
import type { GroupSummary, TopicSummary } from '../../api/types';
import { formatBytes, formatCount, formatNumber } from '../../design/format';
import { Page } from '../../design/page';
import { Empty, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { CreateTopic } from './CreateTopic';
import { lookOfGroup } from './states';

const rateOf = (rate: number): string => (rate === 0 ? '–' : `${formatNumber(Math.round(rate * 10) / 10)}/s`);

function Topics({ topics }: { topics: TopicSummary[] }) {
  if (topics.length === 0)
    return (
      <Empty title="No topics" command="echo hello | tarn topic produce my-topic">
        A topic is a log of records that programs write and read by Kafka’s protocol. Create one here, or let a client
        make it by its first record. Topics that you may not see are not listed.
      </Empty>
    );
  return (
    <Table
      label="Topics"
      rows={topics}
      keyOf={(topic) => topic.name}
      href={(topic) => `/topics/${encodeURIComponent(topic.name)}`}
      columns={[
        { key: 'name', title: 'Topic', data: true, wide: true, cell: (topic) => topic.name },
        { key: 'partitions', title: 'Partitions', number: true, narrow: true, cell: (t) => formatCount(t.partitions) },
        { key: 'records', title: 'Records', number: true, cell: (topic) => formatCount(topic.records) },
        { key: 'bytes', title: 'Size', number: true, cell: (topic) => formatBytes(topic.bytes) },
        { key: 'rate', title: 'Records in', number: true, cell: (topic) => rateOf(topic.records_per_second) },
        {
          key: 'bytes-rate',
          title: 'Bytes in',
          number: true,
          narrow: true,
          cell: (topic) => (topic.bytes_per_second === 0 ? '–' : `${formatBytes(topic.bytes_per_second)}/s`),
        },
      ]}
    />
  );
}

export function Groups({ groups }: { groups: GroupSummary[] }) {
  if (groups.length === 0)
    return (
      <Empty title="No groups" command="kcat -b 127.0.0.1:9092 -G my-group my-topic">
        Consumers that share the work, and remember how far they are, are a group. Groups that you may not see are not
        listed.
      </Empty>
    );
  return (
    <Table
      label="Consumer groups"
      rows={groups}
      keyOf={(group) => group.group}
      href={(group) => `/topics/groups/${encodeURIComponent(group.group)}`}
      columns={[
        { key: 'group', title: 'Group', data: true, wide: true, cell: (group) => group.group },
        {
          key: 'state',
          title: 'State',
          cell: (group) => {
            const [name, word] = lookOfGroup(group.state);
            return <Status name={name} word={word} />;
          },
        },
        { key: 'members', title: 'Members', number: true, cell: (group) => formatCount(group.members) },
        { key: 'lag', title: 'Lag', number: true, cell: (group) => formatCount(group.lag) },
        {
          key: 'topics',
          title: 'Reads',
          data: true,
          narrow: true,
          cell: (group) => <span className="soft">{group.topics.join(', ')}</span>,
        },
      ]}
    />
  );
}

export default function TopicsPage() {
  const [parameters, setParameters] = useSearchParams();
  const view = parameters.get('view') === 'groups' ? 'groups' : 'topics';
  const [creating, setCreating] = useState(false);
  const topics = useTopics();
  const groups = useGroups();
  return (
    <Page
      title="Topics"
      subtitle="Records as they come, kept in their order: by Kafka’s protocol, over HTTP, and here."
      behind={{ api: view === 'groups' ? '/consumer-groups' : '/topics' }}
      action={<Button onClick={() => setCreating(true)}>Create a topic</Button>}
    >
      {creating && <CreateTopic onClose={() => setCreating(false)} />}
      <section className="section" aria-label={view}>
        <Tabs value={view} onChange={(value) => setParameters(value === 'groups' ? { view: value } : {})}>
          <Tabs.List>
            <Tabs.Tab value="topics">Topics</Tabs.Tab>
            <Tabs.Tab value="groups">Consumer groups</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="topics">
            <Loaded query={topics}>{(list) => <Topics topics={list} />}</Loaded>
          </Tabs.Panel>
          <Tabs.Panel value="groups">
            <Loaded query={groups}>{(list) => <Groups groups={list} />}</Loaded>
          </Tabs.Panel>
        </Tabs>
      </section>
    </Page>
  );
}
