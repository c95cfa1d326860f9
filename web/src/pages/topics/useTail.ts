// The live tail of a topic: what comes, the newest first, and never more of it than a page can hold.
import { useEffect, useState } from 'react';
import { topics } from '../../api/queries';
import type { TopicRecord } from '../../api/types';

const kTogetherMs = 200; // what comes in so much time is drawn at once
const kRetryMs = 3000;
export const kTailKept = 500;

export interface Tail {
  records: TopicRecord[]; // newest first
  seen: number;
  skipped: number; // that the server left out, for nobody could have read so quickly
  state: 'connecting' | 'live' | 'lost';
}

export const kNoTail: Tail = { records: [], seen: 0, skipped: 0, state: 'connecting' };

export function withCome(old: Tail, come: TopicRecord[], skipped: number): Tail {
  return {
    records: [...come.toReversed(), ...old.records].slice(0, kTailKept),
    seen: old.seen + come.length,
    skipped: old.skipped + skipped,
    state: 'live',
  };
}

export function useTail(topic: string, partition: string, filter: string, on: boolean): Tail {
  const [tail, setTail] = useState(kNoTail);
  const key = JSON.stringify([topic, partition, filter, on]);
  const [shown, setShown] = useState(key);
  if (shown !== key) {
    setShown(key);
    setTail(kNoTail);
  }
  useEffect(() => {
    if (!on) return;
    let source: EventSource | null = null;
    let retry = 0;
    let come: TopicRecord[] = [];
    let skipped = 0;
    const flush = () => {
      if (come.length === 0 && skipped === 0) return;
      const [some, left] = [come, skipped];
      come = [];
      skipped = 0;
      setTail((old) => withCome(old, some, left));
    };
    const open = () => {
      source = new EventSource(topics.tailPath(topic, partition, filter));
      source.onopen = () => setTail((old) => ({ ...old, state: 'live' }));
      source.addEventListener('record', (event) => {
        come.push(JSON.parse(String(event.data)) as TopicRecord);
        if (come.length > 2 * kTailKept) come = come.slice(-kTailKept);
      });
      source.addEventListener('skipped', (event) => {
        skipped += (JSON.parse(String(event.data)) as { records: number }).records;
      });
      source.onerror = () => {
        source?.close();
        setTail((old) => ({ ...old, state: 'lost' }));
        retry = window.setTimeout(open, kRetryMs);
      };
    };
    open();
    const timer = window.setInterval(flush, kTogetherMs);
    return () => {
      source?.close();
      window.clearTimeout(retry);
      window.clearInterval(timer);
    };
  }, [topic, partition, filter, on]);
  return tail;
}
