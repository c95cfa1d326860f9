// Home: the way of the data as a living picture, what needs attention, and what ran last.
import { Button } from '@mantine/core';
import { useMemo, type ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { useOverview, useRuns, useTopics } from '../../api/queries';
import type { Overview, OverviewNode, TopicSummary } from '../../api/types';
import { DataFlow, type FlowNode } from '../../design/flow';
import { formatBytes, formatCount, formatDuration, formatNumber, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Facts, Page, Section } from '../../design/page';
import { Empty, Loaded } from '../../design/states';
import { RunsTable } from '../runs/RunsTable';

function hrefOf(node: FlowNode): string {
  const known = node as FlowNode & OverviewNode;
  if (known.link) return known.link;
  if (node.kind === 'source') return `/sources?source=${encodeURIComponent(node.title)}`;
  return `/catalog/${node.id.replace('.', '/')}`;
}

function AttentionList({ overview }: { overview: Overview }) {
  if (overview.attention.length === 0) {
    return (
      <ul className="attention fine">
        <li>
          <Icon name="check" />
          <div>Nothing needs you. What fails, waits or drifts would be named here.</div>
        </li>
      </ul>
    );
  }
  return (
    <ul className="attention">
      {overview.attention.map((item) => (
        <li key={item.title + item.link}>
          <Icon name="warning" />
          <div>
            <Link href={item.link}>{item.title}</Link>
            <p>{item.text}</p>
          </div>
        </li>
      ))}
    </ul>
  );
}

function Picture({ overview }: { overview: Overview }) {
  const [, navigate] = useLocation();
  const nodes = useMemo(
    (): FlowNode[] =>
      overview.nodes.map((node) => {
        if (node.kind === 'source') {
          const streams = overview.edges.filter((edge) => edge.from === node.id).length;
          return { ...node, foot: plural(streams, 'stream') };
        }
        if (node.kind !== 'dashboard') return { ...node };
        return {
          ...node,
          foot: `shows ${plural(overview.edges.filter((edge) => edge.to === node.id).length, 'table')}`,
        };
      }),
    [overview],
  );
  if (nodes.length === 0) {
    return (
      <Empty title="No data flows yet" command="tarn demo flights">
        Put a file such as sources/registry.yaml into the workspace, or look at a complete example:
      </Empty>
    );
  }
  return (
    <DataFlow
      label="The way of the data, from sources to dashboards"
      nodes={nodes}
      edges={overview.edges}
      onNode={(node) => navigate(hrefOf(node))}
    />
  );
}

function totals(overview: Overview): [string, string][] {
  const stored = overview.nodes.filter((node) => node.kind === 'raw' || node.kind === 'table');
  const sum = (pick: (node: OverviewNode) => number | undefined) =>
    stored.reduce((total, node) => total + Math.max(0, pick(node) ?? 0), 0);
  const running = overview.nodes.filter((node) => node.state === 'running').length;
  return [
    ['Datasets', formatCount(stored.length)],
    ['Rows', formatCount(sum((node) => node.rows))],
    ['Stored', formatBytes(sum((node) => node.bytes))],
    ['Running', formatCount(running)],
    ['Up for', formatDuration(overview.uptime_seconds)],
    ['Memory', formatBytes(overview.memory_bytes)],
  ];
}

// What comes in by topics; nothing where there are none, or none that one may see.
function topicFacts(topics: TopicSummary[]): [string, ReactNode][] {
  if (topics.length === 0) return [];
  const rate = topics.reduce((sum, topic) => sum + topic.records_per_second, 0);
  return [
    [
      'Topics',
      <Link key="topics" href="/topics">
        {formatCount(topics.length)}
      </Link>,
    ],
    ['Records in', `${formatNumber(Math.round(rate * 10) / 10)}/s`],
  ];
}

export default function HomePage() {
  const overview = useOverview();
  const topics = useTopics();
  const runs = useRuns({ task: '', state: '', before: '', limit: 12 });
  return (
    <Page
      title={overview.data?.name ?? 'Home'}
      subtitle="The way of the data, as it is now."
      behind={{ api: '/overview' }}
      action={
        <Button component={Link} href="/sql" leftSection={<Icon name="code" size={16} />}>
          Query
        </Button>
      }
    >
      <Loaded query={overview}>
        {(data) => (
          <>
            <Facts facts={[...totals(data), ...topicFacts(topics.data ?? [])]} />
            <Section title="From sources to dashboards" note="Choose a card to open it">
              <Picture overview={data} />
            </Section>
            <div className="columns">
              <Section title="Recent runs" action={<Link href="/runs">All runs</Link>}>
                <Loaded query={runs}>{(list) => <RunsTable runs={list} brief />}</Loaded>
              </Section>
              <Section
                title="Needs attention"
                note={data.attention.length ? formatCount(data.attention.length) : undefined}
              >
                <AttentionList overview={data} />
              </Section>
            </div>
          </>
        )}
      </Loaded>
    </Page>
  );
}
