// The log of a run, read on from where it was: a page at a time, and while the run is under way every half second.
import { useEffect, useState } from 'react';
import { getRunLog, isUnderWay } from '../../api/queries';
import type { RunLine } from '../../api/types';

const kPollMs = 500;
const kWaitingPollMs = 1500; // for a place, a person, its next try
const kHiddenPollMs = 5000;
const kRetryMs = 3000;
export const kLinesKept = 20_000; // of an endless output the newest

export interface LogState {
  lines: RunLine[];
  dropped: number; // lines before them that are no longer held here
  live: boolean;
  error: unknown;
}

const kNothing: LogState = { lines: [], dropped: 0, live: true, error: null };

export function withMore(old: LogState, more: RunLine[], live: boolean): LogState {
  if (more.length === 0 && old.live === live && old.error === null) return old;
  const lines = more.length === 0 ? old.lines : [...old.lines, ...more];
  const excess = Math.max(0, lines.length - kLinesKept);
  return { lines: excess > 0 ? lines.slice(excess) : lines, dropped: old.dropped + excess, live, error: null };
}

export function useRunLog(id: string): LogState {
  const [log, setLog] = useState<LogState>(kNothing);
  const [shown, setShown] = useState(id);
  if (shown !== id) {
    setShown(id);
    setLog(kNothing);
  }
  useEffect(() => {
    const stop = new AbortController();
    let after = 0;
    let timer = 0;
    const again = (ms: number) => (timer = window.setTimeout(() => void read(), ms));
    const read = async () => {
      try {
        const page = await getRunLog(id, after, stop.signal);
        if (stop.signal.aborted) return;
        after = page.lines.at(-1)?.number ?? after;
        const live = isUnderWay(page.state);
        setLog((old) =>
          withMore(
            old,
            page.lines.filter((line) => line.number > (old.lines.at(-1)?.number ?? 0)),
            live,
          ),
        );
        const isWriting = page.state === 'running';
        if (page.lines.length > 0) again(live ? kPollMs / 2 : 0);
        else if (live) again(document.hidden ? kHiddenPollMs : isWriting ? kPollMs : kWaitingPollMs);
      } catch (error) {
        if (stop.signal.aborted) return;
        setLog((old) => ({ ...old, error }));
        again(kRetryMs);
      }
    };
    void read();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
    };
  }, [id]);
  return log;
}
