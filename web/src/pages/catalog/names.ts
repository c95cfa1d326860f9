import type { IconName } from '../../design/icons';

export const nameOf = (dataset: { schema: string; name: string }): string => `${dataset.schema}.${dataset.name}`;
export const hrefOfDataset = (dataset: { schema: string; name: string }, tab = ''): string =>
  `/catalog/${encodeURIComponent(dataset.schema)}/${encodeURIComponent(dataset.name)}${tab ? `?tab=${tab}` : ''}`;
export const iconOf = (kind: string): IconName => (kind === 'raw' ? 'raw' : kind === 'system' ? 'system' : 'table');
export const hrefOfQuery = (sql: string): string => `/sql?q=${encodeURIComponent(sql)}`;
// Names that need no quotes stay without.
export const quoted = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
