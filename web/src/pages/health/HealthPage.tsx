// Health: every component, the version, and the operations that there are. At /status, for /health answers probes.
import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useSearchParams } from 'wouter';
import { useHealth, useOperations, useOverview } from '../../api/queries';
import type { Health, HealthLevel, Operation } from '../../api/types';
import { CopyLine } from '../../design/copy';
import { formatBytes, formatCount, formatDuration, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Facts, Page, Section } from '../../design/page';
import { Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';

function nameOf(level: HealthLevel) {
  return level === 'ok' ? 'healthy' : level;
}

function Components({ health }: { health: Health }) {
  return (
    <Table
      label="Components"
      rows={health.components}
      keyOf={(row) => row.component}
      columns={[
        { key: 'name', title: 'Component', cell: (row) => row.component },
        { key: 'state', title: 'State', cell: (row) => <Status name={nameOf(row.level)} /> },
        {
          key: 'why',
          title: 'What is wrong, and what to do',
          wide: true,
          cell: (row) => <span className="soft">{[row.message, row.hint].filter(Boolean).join(': ')}</span>,
        },
      ]}
    />
  );
}

function Operations({ operations }: { operations: Operation[] }) {
  const [parameters] = useSearchParams();
  const [text, setText] = useState(parameters.get('q') ?? '');
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = operations.filter((operation) => {
    const all = `${operation.protocol} ${operation.name} ${operation.action} ${operation.audit_class}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  return (
    <Section
      title="Operations"
      note={`${plural(found.length, 'operation')}: each with its action, resource and audit class`}
      action={
        <TextInput
          aria-label="Filter operations"
          placeholder="Filter"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      }
    >
      <Table
        label="Operations"
        rows={found}
        keyOf={(row) => `${row.protocol} ${row.name}`}
        columns={[
          { key: 'protocol', title: 'Protocol', cell: (row) => row.protocol },
          { key: 'name', title: 'Operation', data: true, wide: true, cell: (row) => row.name },
          { key: 'action', title: 'Action', data: true, cell: (row) => row.action },
          { key: 'resource', title: 'Resource', narrow: true, cell: (row) => row.resource },
          { key: 'class', title: 'Audit class', narrow: true, cell: (row) => row.audit_class },
        ]}
      />
    </Section>
  );
}

export default function HealthPage() {
  const health = useHealth();
  const overview = useOverview();
  const operations = useOperations();
  const data = overview.data;
  return (
    <Page
      title="Health"
      status={health.data && <Status name={nameOf(health.data.level)} />}
      subtitle="What the program says of itself. For probes and scrapers: /health, /ready and /metrics."
      behind={{ api: '/health' }}
      action={
        <Button
          component="a"
          href="/metrics"
          target="_blank"
          variant="default"
          leftSection={<Icon name="health" size={16} />}
        >
          Metrics
        </Button>
      }
    >
      {data && (
        <Facts
          facts={[
            ['Version', data.version],
            ['Platform', data.name],
            ['Up for', formatDuration(data.uptime_seconds)],
            ['Memory', formatBytes(data.memory_bytes)],
            ['Ready', health.data ? (health.data.ready ? 'yes' : 'not yet') : '–'],
            ['Components', formatCount(health.data?.components.length)],
          ]}
        />
      )}
      <Section title="Components">
        <Loaded query={health}>{(loaded) => <Components health={loaded} />}</Loaded>
      </Section>
      <div className="row soft">
        For Prometheus: <CopyLine text={`curl ${window.location.origin}/metrics`} />
      </div>
      <Loaded query={operations}>{(list) => <Operations operations={list} />}</Loaded>
    </Page>
  );
}
