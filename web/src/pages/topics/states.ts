// Kafka's words for the states of groups, and how they look here.
import type { StatusName } from '../../design/status';

const kLooks: Record<string, [StatusName, string]> = {
  Stable: ['ok', 'stable'],
  Empty: ['empty', 'nobody reads'],
  PreparingRebalance: ['running', 'rebalancing'],
  CompletingRebalance: ['running', 'rebalancing'],
  Assigning: ['running', 'rebalancing'],
  Reconciling: ['running', 'rebalancing'],
  Dead: ['failed', 'gone'],
};

export const lookOfGroup = (state: string): [StatusName, string] => kLooks[state] ?? ['empty', state];
