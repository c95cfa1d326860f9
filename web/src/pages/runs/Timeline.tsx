// The timeline: all that ran in a stretch of time, by task or by chain.
import { ActionIcon, Button, SegmentedControl, Select } from '@mantine/core';
import { useMemo } from 'react';
import { useSearchParams } from 'wouter';
import { kTimelineRunsMax, useTasks, useTimeline } from '../../api/queries';
import type { RunDetail, Task } from '../../api/types';
import { formatDuration, formatExact, plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Section } from '../../design/page';
import { Empty, Loaded } from '../../design/states';
import { useNow } from '../../design/time';
import { chainsOf } from './chains';
import { Gantt, type GanttRow } from './Gantt';

const kSpans = [
  { value: '900', label: '15 minutes' },
  { value: '3600', label: '1 hour' },
  { value: '21600', label: '6 hours' },
  { value: '86400', label: '1 day' },
  { value: '604800', label: '7 days' },
];
const kSpan = '86400';
const kSpanMax = 31 * 86400;
const kStepMs = 15_000; // the right end moves on in steps, so that what is asked stays the same for a while

const exactly = (at: number): string => formatExact(new Date(at).toISOString());

// Tasks in the order of the graph; those that did not run are left out.
export function rowsByTask(runs: RunDetail[], tasks: Task[]): GanttRow[] {
  const order = new Map(tasks.map((task, index) => [task.id, index]));
  const pools = new Map(tasks.map((task) => [task.id, task.pool]));
  const rows = new Map<string, GanttRow>();
  for (const run of [...runs].sort((one, other) => Number(one.id) - Number(other.id))) {
    const pool = pools.get(run.task);
    const row = rows.get(run.task) ?? {
      key: run.task,
      title: run.task,
      runs: [],
      ...(pool ? { note: `pool ${pool}` } : {}),
    };
    row.runs.push(run);
    rows.set(run.task, row);
  }
  return [...rows.values()].sort((one, other) => (order.get(one.key) ?? 1e9) - (order.get(other.key) ?? 1e9));
}

export function rowsByChain(runs: RunDetail[], tasks: Task[]): GanttRow[] {
  const pools = new Map(tasks.map((task) => [task.id, task.pool]));
  return chainsOf(runs, tasks).flatMap((chain) =>
    chain.runs.map((run, index) => {
      const pool = pools.get(run.task);
      return {
        key: run.id,
        title: index === 0 ? run.task : `→ ${run.task}`,
        runs: [run],
        isHead: index === 0,
        ...(pool ? { note: `pool ${pool}` } : {}),
      };
    }),
  );
}

// The stretch that is shown: up to now, or up to a moment that was chosen.
function useStretch() {
  const [parameters, setParameters] = useSearchParams();
  const now = useNow();
  const seconds = Number(parameters.get('span') ?? kSpan);
  const span = (seconds > 0 && seconds <= kSpanMax ? seconds : Number(kSpan)) * 1000;
  const asked = Date.parse(parameters.get('until') ?? '');
  const isLive = Number.isNaN(asked);
  const until = isLive ? Math.ceil((now + 1000) / kStepMs) * kStepMs : asked;
  const set = (changes: Record<string, string | null>) =>
    setParameters((old) => {
      const changed = new URLSearchParams(old);
      for (const [name, value] of Object.entries(changes)) {
        if (value === null) changed.delete(name);
        else changed.set(name, value);
      }
      return changed;
    });
  const go = (steps: number) => {
    const next = until + (steps * span) / 2;
    set({ until: next >= now ? null : new Date(next).toISOString() });
  };
  return { from: until - span, until, span, isLive, set, go, by: parameters.get('by') === 'chain' ? 'chain' : 'task' };
}

export function Timeline() {
  const { from, until, span, isLive, set, go, by } = useStretch();
  const tasks = useTasks();
  const runs = useTimeline(new Date(from).toISOString(), new Date(until).toISOString(), isLive);
  const rows = useMemo(
    () => (by === 'chain' ? rowsByChain : rowsByTask)(runs.data ?? [], tasks.data ?? []),
    [by, runs.data, tasks.data],
  );
  const count = runs.data?.length ?? 0;
  const known = kSpans.some((each) => each.value === String(span / 1000));
  const fit = () => {
    const begin = Math.min(...runs.data!.map((run) => Date.parse(run.queued_at)));
    const end = Math.max(...runs.data!.map((run) => (run.ended_at ? Date.parse(run.ended_at) : Date.now())));
    const wanted = Math.max(1, Math.ceil(((end - begin) / 1000) * 1.05));
    set({ span: String(wanted), until: new Date(begin - (end - begin) * 0.025 + wanted * 1000).toISOString() });
  };
  const note = count === kTimelineRunsMax ? `the newest ${count.toLocaleString('en-US')} runs` : plural(count, 'run');
  return (
    <>
      <div className="filters">
        <Select
          label="Shows"
          w={140}
          allowDeselect={false}
          data={known ? kSpans : [...kSpans, { value: String(span / 1000), label: formatDuration(span / 1000) }]}
          value={String(span / 1000)}
          onChange={(value) => set({ span: value === kSpan ? null : value })}
        />
        <div className="row timeline-steps">
          <ActionIcon variant="default" size={30} aria-label="Earlier" onClick={() => go(-1)}>
            <Icon name="left" size={16} />
          </ActionIcon>
          <ActionIcon variant="default" size={30} aria-label="Later" disabled={isLive} onClick={() => go(1)}>
            <Icon name="right" size={16} />
          </ActionIcon>
          <Button variant="default" h={30} disabled={isLive} onClick={() => set({ until: null })}>
            Now
          </Button>
          <Button variant="default" h={30} disabled={count === 0} onClick={fit}>
            Fit
          </Button>
          <SegmentedControl
            aria-label="Rows"
            value={by}
            onChange={(value) => set({ by: value === 'chain' ? 'chain' : null })}
            data={[
              { value: 'task', label: 'By task' },
              { value: 'chain', label: 'By chain' },
            ]}
          />
        </div>
      </div>
      <Section title="Timeline" note={`${note}, ${exactly(from)} to ${isLive ? 'now' : exactly(until)}`}>
        <Loaded query={runs} lines={8}>
          {() =>
            rows.length === 0 ? (
              <Empty title="Nothing ran then" command="tarn run '*'">
                Look earlier, or a longer stretch. By hand:
              </Empty>
            ) : (
              <Gantt label="What ran when" rows={rows} from={from} to={until} />
            )
          }
        </Loaded>
      </Section>
    </>
  );
}
