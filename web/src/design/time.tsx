// Times: relative, exact on hover, in the reader's own zone.
import { useSyncExternalStore } from 'react';
import { formatAgo, formatDuration, formatExact, none, secondsBetween } from './format';

const kTickMs = 1000;
let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    listeners.forEach((each) => each());
  }, kTickMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && timer) {
      clearInterval(timer);
      timer = null;
    }
  };
}
export const useNow = (): number => useSyncExternalStore(subscribe, () => now);

export function Ago({ time }: { time: string | null | undefined }) {
  const at = useNow();
  if (!time) return <span className="faint">{none}</span>;
  return (
    <time dateTime={time} title={formatExact(time)} className="nowrap">
      {formatAgo(time, at)}
    </time>
  );
}

// How long something took, or takes so far.
export function Took({ start, end }: { start: string | null; end: string | null }) {
  const at = useNow();
  const seconds = secondsBetween(start, end, at);
  return (
    <span className="nowrap">{seconds === null ? none : formatDuration(end ? seconds : Math.floor(seconds))}</span>
  );
}
