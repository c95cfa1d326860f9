// Where tables are delivered besides: what goes where, how it stands, and what is guaranteed.
import { Button } from '@mantine/core';
import { Link } from 'wouter';
import { startRuns, useChange, useDestinations } from '../../api/queries';
import type { Delivery, Destination, Task } from '../../api/types';
import { BehindLink, Section } from '../../design/page';
import { ErrorState } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';
import { Ago } from '../../design/time';

function Deliveries({ destination, tasks }: { destination: Destination; tasks: Task[] }) {
  const runOf = (delivery: Delivery) => {
    const task = tasks.find((one) => one.id === delivery.task);
    return task?.current ?? task?.last ?? null;
  };
  return (
    <Table
      label={`Deliveries of ${destination.name}`}
      rows={destination.tables}
      keyOf={(delivery) => delivery.name}
      columns={[
        {
          key: 'state',
          title: 'Last run',
          cell: (delivery) => {
            const run = runOf(delivery);
            if (!run) return <Status name="empty" word="not yet" />;
            return (
              <Link href={`/runs/${run.id}`}>
                <Status name={run.state} />
              </Link>
            );
          },
        },
        { key: 'from', title: 'Table', data: true, cell: (delivery) => delivery.from },
        { key: 'to', title: 'Goes to', data: true, cell: (delivery) => delivery.to },
        { key: 'key', title: 'Key', data: true, narrow: true, cell: (delivery) => delivery.key.join(', ') },
        { key: 'when', title: 'When', cell: (delivery) => <Ago time={runOf(delivery)?.ended_at} /> },
        {
          key: 'why',
          title: 'What went wrong',
          wide: true,
          narrow: true,
          cell: (delivery) => <span title={runOf(delivery)?.error}>{runOf(delivery)?.error}</span>,
        },
      ]}
    />
  );
}

function DestinationSection({ destination, tasks }: { destination: Destination; tasks: Task[] }) {
  const deliver = useChange(() => startRuns(`destination:${destination.name}.*`), 'runs', 'tasks', 'overview');
  return (
    <Section
      title={`To ${destination.name}`}
      note={<span className="tag">{destination.kind}</span>}
      action={
        <Button variant="default" loading={deliver.isPending} onClick={() => deliver.mutate(undefined)}>
          Deliver now
        </Button>
      }
    >
      <div className="stack">
        {destination.description && <p className="soft">{destination.description}</p>}
        <p className="soft">
          {destination.guarantee}. It is what {destination.owner} may see.
        </p>
        <BehindLink file={destination.file} />
        {deliver.error && <ErrorState error={deliver.error} />}
      </div>
      <Deliveries destination={destination} tasks={tasks} />
    </Section>
  );
}

// Nothing where there is none: sources come first.
export function Destinations({ tasks }: { tasks: Task[] }) {
  const destinations = useDestinations();
  if (destinations.isError) return <ErrorState error={destinations.error} retry={() => void destinations.refetch()} />;
  return (
    <>
      {(destinations.data ?? []).map((destination) => (
        <DestinationSection key={destination.name} destination={destination} tasks={tasks} />
      ))}
    </>
  );
}
