// What is chosen on a dashboard: filters by name, and what was clicked by column. All of it stands in the address, so
// that the address shows to somebody else (under their own rights) exactly what is seen here.
import { useMemo } from 'react';
import { useSearchParams } from 'wouter';
import type { Dashboard } from '../../api/types';

// What the page's address says besides; public/start.js knows them too.
const kOwn = ['tile', 'mark', 'edit', 'full', 'view'];

// NULL is \N; a value that begins with a backslash has one more.
export const toAddress = (value: string | null): string =>
  value === null ? '\\N' : value.startsWith('\\') ? '\\' + value : value;
export const fromAddress = (text: string): string | null =>
  text === '\\N' ? null : text.startsWith('\\') ? text.slice(1) : text;
export const shownValue = (text: string): string => fromAddress(text) ?? 'NULL';

export interface Chosen {
  get: (name: string) => string[] | undefined; // undefined: nothing was chosen, the default holds
  set: (name: string, values: string[] | undefined) => void;
  clicked: [string, string][]; // column and value
  without: (column: string, value: string) => void;
  only: (column: string, value: string | null) => void;
  own: (name: string) => string | null;
  setOwn: (changes: Record<string, string | null>) => void;
  clear: () => void;
  isAny: boolean;
  query: string; // for the API: "?carrier=UA&time_zone=Europe%2FZurich"
}

export const viewersZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

// A dashboard that has a time zone of its own heeds no other. As public/start.js asks.
export function queryOf(parameters: URLSearchParams, dashboard: Pick<Dashboard, 'filters'>): string {
  const known = new Set(dashboard.filters.map((filter) => filter.name));
  const pairs = [...parameters].filter(([name]) => known.has(name) || name.split('.').length > 2);
  const asked = new URLSearchParams(pairs);
  asked.set('time_zone', viewersZone());
  return '?' + asked.toString();
}

export function useChosen(dashboard: Dashboard): Chosen {
  const [parameters, setParameters] = useSearchParams();
  return useMemo(() => {
    const change = (work: (changed: URLSearchParams) => void) =>
      setParameters((old) => {
        const changed = new URLSearchParams(old);
        work(changed);
        return changed;
      });
    const pairs = [...parameters].filter(([name]) => !kOwn.includes(name));
    return {
      get: (name) => {
        const values = parameters.getAll(name);
        return values.length === 0 ? undefined : values.filter((value) => value !== '');
      },
      set: (name, values) =>
        change((changed) => {
          changed.delete(name);
          if (values?.length === 0) changed.set(name, '');
          for (const value of values ?? []) changed.append(name, value);
        }),
      clicked: pairs.filter(([name]) => name.split('.').length > 2),
      without: (column, value) =>
        change((changed) => {
          const rest = changed.getAll(column).filter((other) => other !== value);
          changed.delete(column);
          for (const other of rest) changed.append(column, other);
        }),
      only: (column, value) => change((changed) => changed.set(column, toAddress(value))),
      own: (name) => parameters.get(name),
      setOwn: (changes) =>
        change((changed) => {
          for (const [name, value] of Object.entries(changes)) {
            if (value === null) changed.delete(name);
            else changed.set(name, value);
          }
        }),
      clear: () =>
        change((changed) => {
          for (const [name] of pairs) changed.delete(name);
        }),
      isAny: pairs.length > 0,
      query: queryOf(parameters, dashboard),
    };
  }, [parameters, setParameters, dashboard]);
}
