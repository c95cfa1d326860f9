// What ran when: a row a task, a bar a run, and in it what it did: waited, ran, waited to try again.
import { memo, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { useLocation } from 'wouter';
import type { RunDetail, RunPart } from '../../api/types';
import { formatDuration } from '../../design/format';
import { lookOf, Status } from '../../design/status';
import { useNow } from '../../design/time';

export interface GanttRow {
  key: string;
  title: string;
  note?: string; // beside the title: its pool
  runs: RunDetail[];
  isHead?: boolean; // the first of a chain: a line stands above it
}

interface GanttProps {
  label: string;
  rows: GanttRow[];
  from: number; // milliseconds
  to: number;
  current?: string;
}

const kFine = { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 2 } as const;
const kTickPx = 130;
const kSteps = [
  0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
  172800, 604800,
];
const kAreaPx = 800;
const kBarPercentMin = 0.3;

// Round moments of the reader's clock between two times.
export function ticksOf(from: number, to: number): number[] {
  const wanted = (to - from) / 1000 / (kAreaPx / kTickPx);
  const step = (kSteps.find((each) => each >= wanted) ?? kSteps.at(-1)!) * 1000;
  const offset = step >= 3_600_000 ? new Date(from).getTimezoneOffset() * 60_000 : 0;
  const first = Math.ceil((from - offset) / step) * step + offset;
  const ticks: number[] = [];
  for (let at = first; at <= to; at += step) ticks.push(at);
  return ticks;
}

function tickText(at: number, span: number): string {
  const time = new Date(at);
  if (span < 30_000) return time.toLocaleTimeString('en-GB', kFine);
  if (span < 20 * 60_000) return time.toLocaleTimeString('en-GB');
  const isMidnight = time.getHours() === 0 && time.getMinutes() === 0;
  if (span > 2 * 86_400_000 || isMidnight) return time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  return time.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

const kWords: Record<RunPart['what'], string> = {
  queued: 'waited for a place',
  waiting_approval: 'waited for approval',
  running: 'ran',
  waiting_retry: 'waited to try again',
  waiting_outside: 'waited',
  waiting_items: 'waited for its items',
};

function partText(part: RunPart, now: number, pool: string | undefined): string {
  const seconds = ((part.to ? Date.parse(part.to) : now) - Date.parse(part.from)) / 1000;
  const where = part.what === 'queued' && pool ? ` in ${pool}` : '';
  const why = part.why ? `: ${part.why}` : '';
  return `${kWords[part.what]}${where} ${formatDuration(seconds)}${why}`;
}

export function runText(run: RunDetail, now: number, pool?: string): string {
  const parts = run.parts.map((part) => partText(part, now, pool));
  return `run ${run.id} of ${run.task}, ${lookOf(run.state).word}${parts.length > 0 ? ': ' + parts.join(', ') : ''}`;
}

interface BarProps {
  run: RunDetail;
  from: number;
  to: number;
  now: number;
  isStop: boolean;
  isCurrent: boolean;
  pool: string | undefined;
}

// Drawn again only when it is another: pointing at one of a thousand moves nothing.
const Bar = memo(function Bar({ run, from, to, now, isStop, isCurrent, pool }: BarProps) {
  const percent = (at: number) => ((Math.min(Math.max(at, from), to) - from) / (to - from)) * 100;
  const start = percent(Date.parse(run.queued_at));
  const end = percent(run.ended_at ? Date.parse(run.ended_at) : now);
  const width = Math.max(end - start, kBarPercentMin);
  const left = Math.min(start, 100 - width);
  const tone = lookOf(run.state).tone;
  return (
    <a
      href={`/runs/${run.id}`}
      data-run={run.id}
      className={`gantt-bar tone-${tone}${end - start < kBarPercentMin ? ' tiny' : ''}`}
      style={{ left: `${left}%`, width: `${width}%` }}
      tabIndex={isStop ? 0 : -1}
      aria-label={runText(run, now, pool)}
      aria-current={isCurrent || undefined}
    >
      {run.parts.map((part, index) => {
        const begin = percent(Date.parse(part.from));
        const stop = percent(part.to ? Date.parse(part.to) : now);
        return (
          <span
            key={index}
            className={part.what === 'running' ? 'ran' : 'waited'}
            style={{ left: `${((begin - left) / width) * 100}%`, width: `${((stop - begin) / width) * 100}%` }}
          />
        );
      })}
    </a>
  );
});

// What is known of the run that the pointer or the focus is on.
function Detail({ run, pool, now }: { run: RunDetail | undefined; pool: string | undefined; now: number }) {
  if (!run) {
    return (
      <p className="gantt-detail faint">
        Point at a run, or go through them with the arrow keys; Enter opens it. Striped: it waited; tall: it failed.
      </p>
    );
  }
  const text = runText(run, now, pool);
  return (
    <p className="gantt-detail" role="status">
      <Status name={run.state} />
      <span title={text}>{text}</span>
    </p>
  );
}

function startOf(run: RunDetail): number {
  return Date.parse(run.queued_at);
}

// The bar that an arrow key leads to.
function neighbour(rows: GanttRow[], at: string, key: string): RunDetail | undefined {
  const row = rows.findIndex((each) => each.runs.some((run) => run.id === at));
  const runs = rows[row]?.runs ?? [];
  const column = runs.findIndex((run) => run.id === at);
  if (key === 'ArrowLeft') return runs[column - 1];
  if (key === 'ArrowRight') return runs[column + 1];
  if (key === 'Home') return runs[0];
  if (key === 'End') return runs.at(-1);
  const step = key === 'ArrowUp' ? -1 : 1;
  for (let next = row + step; next >= 0 && next < rows.length; next += step) {
    const others = rows[next]!.runs;
    if (others.length === 0) continue;
    const here = startOf(runs[column]!);
    return others.reduce((best, run) => (Math.abs(startOf(run) - here) < Math.abs(startOf(best) - here) ? run : best));
  }
  return undefined;
}
const kKeys = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End'];

export function Gantt({ label, rows, from, to, current }: GanttProps) {
  const now = useNow();
  const [, navigate] = useLocation();
  const [pointed, setPointed] = useState<string | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const byId = useMemo(
    () => new Map(rows.flatMap((row) => row.runs.map((run) => [run.id, { run, row }] as const))),
    [rows],
  );
  const shown = pointed !== null && byId.has(pointed) ? pointed : null;
  const stop = shown ?? (current && byId.has(current) ? current : rows.find((row) => row.runs.length > 0)?.runs[0]?.id);
  const ticks = useMemo(() => ticksOf(from, to), [from, to]);
  const place = (at: number) => `${((at - from) / (to - from)) * 100}%`;
  const runAt = (target: EventTarget) => (target as HTMLElement).closest<HTMLElement>('[data-run]')?.dataset['run'];
  const onKeyDown = (event: KeyboardEvent) => {
    const at = runAt(event.target);
    if (!at || !kKeys.includes(event.key)) return;
    event.preventDefault();
    const next = neighbour(rows, at, event.key);
    if (next) box.current?.querySelector<HTMLElement>(`[data-run="${CSS.escape(next.id)}"]`)?.focus();
  };
  const open = (event: React.MouseEvent) => {
    const at = runAt(event.target);
    if (!at || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(`/runs/${at}`);
  };
  const known = shown === null ? undefined : byId.get(shown);
  return (
    <div className="gantt" role="group" aria-label={label}>
      <div className="gantt-head" aria-hidden="true">
        <span className="gantt-name" />
        <span className="gantt-area">
          {ticks.map((at) => (
            <span key={at} className="gantt-tick" style={{ left: place(at) }}>
              {tickText(at, to - from)}
            </span>
          ))}
        </span>
      </div>
      <div
        className="gantt-body"
        ref={box}
        onKeyDown={onKeyDown}
        onClick={open}
        onFocus={(event) => setPointed(runAt(event.target) ?? null)}
        onMouseOver={(event) => setPointed(runAt(event.target) ?? pointed)}
      >
        {rows.map((row) => (
          <div key={row.key} className={row.isHead ? 'gantt-row head' : 'gantt-row'}>
            <span className="gantt-name" title={row.title}>
              <span>{row.title}</span>
              {row.note && <small>{row.note}</small>}
            </span>
            <span className="gantt-area">
              {ticks.map((at) => (
                <i key={at} style={{ left: place(at) }} />
              ))}
              {now > from && now < to && <i className="now" style={{ left: place(now) }} />}
              {row.runs.map((run) => (
                <Bar
                  key={run.id}
                  run={run}
                  from={from}
                  to={to}
                  now={run.ended_at ? 0 : now}
                  isStop={run.id === stop}
                  isCurrent={run.id === current}
                  pool={row.note}
                />
              ))}
            </span>
          </div>
        ))}
      </div>
      <Detail run={known?.run} pool={known?.row.note} now={now} />
    </div>
  );
}
