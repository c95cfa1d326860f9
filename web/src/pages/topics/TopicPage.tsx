// One topic: its records, partitions, settings, who reads it, and how much comes in.
import { Button, NumberInput, Tabs } from '@mantine/core';
import { useMemo, useState, type FormEvent } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { topics, useChange, useTopic } from '../../api/queries';
import type { TopicDetail, TopicPartition } from '../../api/types';
import { Chart, type ChartData } from '../../design/chart';
import { ConfirmButton } from '../../design/confirm';
import { formatBytes, formatCount, formatNumber, plural } from '../../design/format';
import { Facts, Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';
import { ProduceForm } from './ProduceForm';
import { Records } from './Records';
import { Settings } from './Settings';
import { lookOfGroup } from './states';

function MorePartitions({ topic }: { topic: TopicDetail }) {
  const [count, setCount] = useState<number | string>(topic.partitions.length + 1);
  const more = useChange(() => topics.addPartitions(topic.name, Number(count)), 'topics');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    more.mutate(undefined);
  };
  return (
    <form className="filters pad" onSubmit={submit}>
      <NumberInput
        label="Partitions there are to be"
        w={220}
        min={topic.partitions.length + 1}
        max={10_000}
        allowDecimal={false}
        value={count}
        onChange={setCount}
      />
      <Button type="submit" variant="default" loading={more.isPending}>
        Add partitions
      </Button>
      {more.error && <ErrorState error={more.error} />}
    </form>
  );
}

function Emptied({ topic, partition }: { topic: TopicDetail; partition: TopicPartition }) {
  const empty = useChange(() => topics.deleteRecords(topic.name, partition.partition, partition.end), 'topics');
  if (partition.records === 0 || !topic.may['topic:Delete']) return null;
  return (
    <ConfirmButton
      title={`Delete the records of partition ${partition.partition}`}
      label="Delete"
      pending={empty.isPending}
      onConfirm={() => empty.mutate(undefined)}
    >
      {plural(partition.records, 'record')} before offset {formatCount(partition.end)} will be gone for every reader.
      This can’t be undone.
    </ConfirmButton>
  );
}

function Partitions({ topic }: { topic: TopicDetail }) {
  return (
    <>
      <Table
        label="Partitions"
        rows={topic.partitions}
        keyOf={(row) => String(row.partition)}
        columns={[
          { key: 'partition', title: 'Partition', number: true, cell: (row) => row.partition },
          { key: 'start', title: 'First offset', number: true, cell: (row) => formatCount(row.start) },
          { key: 'end', title: 'End', number: true, cell: (row) => formatCount(row.end) },
          { key: 'records', title: 'Records', number: true, cell: (row) => formatCount(row.records) },
          { key: 'bytes', title: 'Size', number: true, narrow: true, cell: (row) => formatBytes(row.bytes) },
          { key: 'newest', title: 'Newest', narrow: true, cell: (row) => <Ago time={row.newest_at} /> },
          { key: 'delete', title: '', cell: (row) => <Emptied topic={topic} partition={row} /> },
        ]}
      />
      {topic.may['topic:Alter'] && <MorePartitions topic={topic} />}
    </>
  );
}

function Consumers({ topic }: { topic: TopicDetail }) {
  if (topic.groups.length === 0)
    return (
      <Empty title="No group reads it" command={`kcat -b 127.0.0.1:9092 -G my-group ${topic.name}`}>
        A group is here once it is a member or has committed an offset. Groups that you may not see are not listed.
      </Empty>
    );
  return (
    <Table
      label="Consumers"
      rows={topic.groups}
      keyOf={(row) => row.group}
      href={(row) => `/topics/groups/${encodeURIComponent(row.group)}`}
      columns={[
        { key: 'group', title: 'Group', data: true, wide: true, cell: (row) => row.group },
        {
          key: 'state',
          title: 'State',
          cell: (row) => {
            const [name, word] = lookOfGroup(row.state);
            return <Status name={name} word={word} />;
          },
        },
        { key: 'members', title: 'Members', number: true, cell: (row) => formatCount(row.members) },
        { key: 'lag', title: 'Lag', number: true, cell: (row) => formatCount(row.lag) },
      ]}
    />
  );
}

function Throughput({ topic }: { topic: TopicDetail }) {
  const { throughput } = topic;
  const data = useMemo((): ChartData => {
    const until = Date.parse(throughput.until ?? '');
    const values = throughput.records_per_second;
    const timeOf = (index: number) => until - (values.length - 1 - index) * throughput.step_seconds * 1000;
    const local = (ms: number) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
    return {
      x: values.map((_, index) => local(timeOf(index))),
      xName: 'time',
      xKind: 'time',
      series: [{ name: 'records/s', values }],
    };
  }, [throughput]);
  if (data.x.length < 2) return null;
  return (
    <Section title="Throughput" note="records that came in each second, of the last hour at most">
      <div style={{ height: 160 }} className="pad">
        <Chart kind="area" data={data} label={`Records that came into ${topic.name} each second`} />
      </div>
    </Section>
  );
}

function RemoveTopic({ topic }: { topic: TopicDetail }) {
  const [, navigate] = useLocation();
  const gone = useChange(() => topics.remove(topic.name), 'topics');
  return (
    <>
      <ConfirmButton
        title={`Delete ${topic.name}`}
        label="Delete"
        pending={gone.isPending}
        onConfirm={() => gone.mutate(undefined, { onSuccess: () => navigate('/topics') })}
      >
        {plural(topic.records, 'record')} ({formatBytes(topic.bytes)}) and the offsets that groups have of it will be
        gone. This can’t be undone.
      </ConfirmButton>
      {gone.error && <ErrorState error={gone.error} />}
    </>
  );
}

function Detail({ topic }: { topic: TopicDetail }) {
  const [parameters, setParameters] = useSearchParams();
  const tab = parameters.get('tab') ?? 'records';
  const lag = Math.max(0, ...topic.groups.map((group) => group.lag));
  return (
    <>
      <Facts
        facts={[
          ['Partitions', formatCount(topic.partitions.length)],
          ['Records', formatCount(topic.records)],
          ['Size', formatBytes(topic.bytes)],
          ['Records in', `${formatNumber(Math.round(topic.records_per_second * 10) / 10)}/s`],
          ['Largest lag', topic.groups.length === 0 ? '–' : formatCount(lag)],
          ['Old records', topic.cleanup_policy === 'delete' ? 'are deleted' : `cleanup: ${topic.cleanup_policy}`],
          ['Created', <Ago key="created" time={topic.created_at} />],
        ]}
      />
      <Throughput topic={topic} />
      <section className="section" aria-label={tab}>
        <Tabs value={tab} onChange={(value) => setParameters({ tab: value ?? 'records' })} keepMounted={false}>
          <Tabs.List>
            <Tabs.Tab value="records">Records</Tabs.Tab>
            <Tabs.Tab value="partitions">Partitions</Tabs.Tab>
            <Tabs.Tab value="settings">Settings</Tabs.Tab>
            <Tabs.Tab value="consumers">Consumers</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="records">
            <Records topic={topic} />
          </Tabs.Panel>
          <Tabs.Panel value="partitions">
            <Partitions topic={topic} />
          </Tabs.Panel>
          <Tabs.Panel value="settings">
            <Settings topic={topic} />
          </Tabs.Panel>
          <Tabs.Panel value="consumers">
            <Consumers topic={topic} />
          </Tabs.Panel>
        </Tabs>
      </section>
    </>
  );
}

export default function TopicPage({ name }: { name: string }) {
  const topic = useTopic(name);
  const [producing, setProducing] = useState(false);
  const data = topic.data;
  return (
    <Page
      title={name}
      copy={name}
      above={{ text: 'Topics', href: '/topics' }}
      behind={{ api: `/topics/${encodeURIComponent(name)}` }}
      action={
        data && (
          <div className="row">
            {data.may['topic:Delete'] && <RemoveTopic topic={data} />}
            <Button disabled={!data.may['topic:Write']} onClick={() => setProducing(true)}>
              Produce
            </Button>
          </div>
        )
      }
    >
      {producing && data && <ProduceForm topic={data} onClose={() => setProducing(false)} />}
      <Loaded query={topic}>{(found) => <Detail topic={found} />}</Loaded>
    </Page>
  );
}
