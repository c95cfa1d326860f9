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

const kMoment = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/;

function clockOf(time: string): string {
  const at = new Date(time);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday
    ? at.toLocaleTimeString('en-GB')
    : at.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
}

// A sentence of the server, with the moments in it in the reader's zone.
export function Said({ text }: { text: string }) {
  return (
    <>
      {text.split(kMoment).map((part, index) =>
        kMoment.test(part) ? (
          <time key={index} dateTime={part} title={formatExact(part)} className="moment">
            {clockOf(part)}
          </time>
        ) : (
          part
        ),
      )}
    </>
  );
}
