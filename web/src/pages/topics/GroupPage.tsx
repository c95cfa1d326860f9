// One consumer group: its members and their shares, its offsets and how far behind they are; putting them elsewhere.
import { Button } from '@mantine/core';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { topics, useChange, useGroup } from '../../api/queries';
import type { GroupDetail } from '../../api/types';
import { ConfirmButton } from '../../design/confirm';
import { formatCount, none, plural } from '../../design/format';
import { Facts, Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';
import { SeekForm } from './SeekForm';
import { lookOfGroup } from './states';

function Members({ group }: { group: GroupDetail }) {
  if (group.members.length === 0)
    return <Empty title="No members">None of its consumers runs: its offsets can be put elsewhere now.</Empty>;
  return (
    <Table
      label="Members"
      rows={group.members}
      keyOf={(member) => member.id}
      columns={[
        { key: 'client', title: 'Client', data: true, cell: (member) => member.client_id || none },
        { key: 'host', title: 'From', data: true, narrow: true, cell: (member) => member.host },
        {
          key: 'share',
          title: 'Reads',
          data: true,
          cell: (member) =>
            member.share.map((part) => `${part.topic} ${part.partitions.join(', ')}`).join('; ') || 'nothing yet',
        },
        {
          key: 'id',
          title: 'Member',
          data: true,
          wide: true,
          narrow: true,
          cell: (member) => <span className="soft">{member.id}</span>,
        },
      ]}
    />
  );
}

function GroupOffsets({ group }: { group: GroupDetail }) {
  const clients = new Map(group.members.map((member) => [member.id, member.client_id]));
  if (group.offsets.length === 0)
    return <Empty title="No offsets">It has committed none, or of no topic that you may see.</Empty>;
  return (
    <Table
      label="Offsets"
      rows={group.offsets}
      keyOf={(row) => `${row.topic}:${row.partition}`}
      columns={[
        {
          key: 'topic',
          title: 'Topic',
          data: true,
          cell: (row) => <Link href={`/topics/${encodeURIComponent(row.topic)}`}>{row.topic}</Link>,
        },
        { key: 'partition', title: 'Partition', number: true, cell: (row) => row.partition },
        {
          key: 'committed',
          title: 'Committed',
          number: true,
          cell: (row) => (row.committed === null ? none : formatCount(row.committed)),
        },
        { key: 'end', title: 'End', number: true, cell: (row) => formatCount(row.end) },
        { key: 'lag', title: 'Lag', number: true, cell: (row) => formatCount(row.lag) },
        { key: 'at', title: 'Committed at', narrow: true, cell: (row) => <Ago time={row.committed_at} /> },
        {
          key: 'client',
          title: 'Read by',
          data: true,
          narrow: true,
          cell: (row) => (row.member ? clients.get(row.member) || row.member : <span className="faint">nobody</span>),
        },
      ]}
    />
  );
}

function RemoveGroup({ group }: { group: GroupDetail }) {
  const [, navigate] = useLocation();
  const gone = useChange(() => topics.removeGroup(group.group), 'topics');
  return (
    <>
      <ConfirmButton
        title={`Delete ${group.group}`}
        label="Delete"
        pending={gone.isPending}
        onConfirm={() => gone.mutate(undefined, { onSuccess: () => navigate('/topics?view=groups') })}
      >
        Its {plural(group.offsets.length, 'offset')} will be gone: consumers of this name begin where their own settings
        say.
      </ConfirmButton>
      {gone.error && <ErrorState error={gone.error} />}
    </>
  );
}

export default function GroupPage({ id }: { id: string }) {
  const group = useGroup(id);
  const [seeking, setSeeking] = useState(false);
  const data = group.data;
  const idle = data?.members.length === 0;
  const [look, word] = lookOfGroup(data?.state ?? '');
  return (
    <Page
      title={id}
      copy={id}
      above={{ text: 'Consumer groups', href: '/topics?view=groups' }}
      behind={{ api: `/consumer-groups/${encodeURIComponent(id)}` }}
      status={data && <Status name={look} word={word} />}
      action={
        data && (
          <div className="row">
            {idle && data.may['group:Delete'] && <RemoveGroup group={data} />}
            <Button
              disabled={!idle || !data.may['group:Read']}
              title={idle ? undefined : 'Stop its consumers first: members go on from where they are'}
              onClick={() => setSeeking(true)}
            >
              Reset offsets
            </Button>
          </div>
        )
      }
    >
      {seeking && data && <SeekForm group={data} onClose={() => setSeeking(false)} />}
      <Loaded query={group}>
        {(found) => (
          <>
            <Facts
              facts={[
                ['Members', formatCount(found.members.length)],
                ['Lag', formatCount(found.lag)],
                ['Reads', found.topics.join(', ') || none],
                ['Protocol', [found.protocol_type, found.protocol].filter(Boolean).join(', ') || none],
              ]}
            />
            <Section title="Offsets" note="lag: records that are there and were not committed as read">
              <GroupOffsets group={found} />
            </Section>
            <Section title="Members">
              <Members group={found} />
            </Section>
          </>
        )}
      </Loaded>
    </Page>
  );
}
