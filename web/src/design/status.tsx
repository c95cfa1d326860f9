// States by shape, word and colour: never by colour alone.
import type { NodeState, RunState } from '../api/types';
import { Icon, type IconName } from './icons';

type Tone = 'ok' | 'running' | 'waiting' | 'failed' | 'empty';
type AlertWord = 'firing' | 'pending' | 'resolved' | 'cleared';
interface Look {
  tone: Tone;
  icon: IconName;
  word: string;
}

const kLooks: Record<NodeState | RunState | 'healthy' | 'warning' | 'failing' | 'denied' | 'due' | AlertWord, Look> = {
  ok: { tone: 'ok', icon: 'check', word: 'fresh' },
  running: { tone: 'running', icon: 'running', word: 'running' },
  waiting: { tone: 'waiting', icon: 'clock', word: 'waiting' },
  failed: { tone: 'failed', icon: 'cross', word: 'failed' },
  empty: { tone: 'empty', icon: 'ring', word: 'empty' },
  queued: { tone: 'waiting', icon: 'clock', word: 'queued' },
  waiting_retry: { tone: 'waiting', icon: 'retry', word: 'will retry' },
  waiting_approval: { tone: 'waiting', icon: 'clock', word: 'waits for approval' },
  waiting_items: { tone: 'waiting', icon: 'clock', word: 'waits for its items' },
  skipped: { tone: 'empty', icon: 'ring', word: 'skipped' },
  succeeded: { tone: 'ok', icon: 'check', word: 'succeeded' },
  unchanged: { tone: 'empty', icon: 'equal', word: 'unchanged' },
  cancelled: { tone: 'empty', icon: 'stop', word: 'cancelled' },
  healthy: { tone: 'ok', icon: 'check', word: 'healthy' },
  warning: { tone: 'waiting', icon: 'warning', word: 'warning' },
  failing: { tone: 'failed', icon: 'cross', word: 'failing' },
  denied: { tone: 'failed', icon: 'cross', word: 'denied' },
  firing: { tone: 'failed', icon: 'warning', word: 'firing' },
  pending: { tone: 'waiting', icon: 'clock', word: 'pending' },
  resolved: { tone: 'ok', icon: 'check', word: 'resolved' },
  cleared: { tone: 'empty', icon: 'ring', word: 'passed' },
  due: { tone: 'waiting', icon: 'clock', word: 'due' },
};

export type StatusName = keyof typeof kLooks;

export function lookOf(name: string): Look {
  return kLooks[name as StatusName] ?? { tone: 'empty', icon: 'ring', word: name };
}

export function Status({ name, word, plain = false }: { name: string; word?: string; plain?: boolean }) {
  const look = lookOf(name);
  return (
    <span className={`status tone-${look.tone}${plain ? ' plain' : ''}`}>
      <Icon name={look.icon} size={14} spin={look.icon === 'running'} />
      {word ?? look.word}
    </span>
  );
}
