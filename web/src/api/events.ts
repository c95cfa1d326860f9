// The event stream of runs. One for the whole page; while it is down, the queries poll (see useLive).
import type { QueryClient } from '@tanstack/react-query';
import type { RunState } from './types';

interface RunEvent {
  id: string;
  task: string;
  state: RunState;
}

const kSettleMs = 400; // many runs change at once: what they make stale is asked for once
const kRetryMs = 5000;

export type Liveness = 'connecting' | 'live' | 'polling';

class Events {
  state: Liveness = 'connecting';
  private source: EventSource | null = null;
  private readonly listeners = new Set<() => void>();
  private readonly stale = new Set<string>();
  private timer: number | null = null;
  private client: QueryClient | null = null;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  start(client: QueryClient): () => void {
    this.client = client;
    this.open();
    const onVisibility = () => (document.hidden ? this.close() : this.open());
    document.addEventListener('visibilitychange', onVisibility);
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      this.close();
    };
  }

  private open(): void {
    if (this.source || document.hidden) return;
    const source = new EventSource('/api/v1/events');
    this.source = source;
    source.onopen = () => this.set('live');
    source.addEventListener('run', (event) => this.onRun(JSON.parse(String(event.data)) as RunEvent));
    source.onerror = () => {
      this.close();
      window.setTimeout(() => this.client && this.open(), kRetryMs);
    };
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    this.set('polling');
  }

  private onRun(run: RunEvent): void {
    for (const key of ['overview', 'tasks', 'runs']) this.stale.add(key);
    if (run.state === 'succeeded') for (const key of ['catalog', 'dashboards']) this.stale.add(key);
    this.timer ??= window.setTimeout(() => {
      this.timer = null;
      for (const key of this.stale) void this.client?.invalidateQueries({ queryKey: [key] });
      this.stale.clear();
    }, kSettleMs);
  }

  private set(state: Liveness): void {
    if (this.state === state) return;
    this.state = state;
    this.listeners.forEach((listener) => listener());
  }
}

export const events = new Events();
