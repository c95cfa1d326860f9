// What a page or a part of it shows while there is nothing else to show: loading, empty, error.
import { Button, Skeleton } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ApiError } from '../api/client';
import { CopyLine } from './copy';
import { Icon } from './icons';

export function Loading({ lines = 5 }: { lines?: number }) {
  return (
    <div role="status" aria-label="Loading" className="stack">
      {Array.from({ length: lines }, (_, index) => (
        <Skeleton key={index} height={index === 0 ? 28 : 20} width={`${100 - ((index * 17) % 40)}%`} />
      ))}
      <span className="faint small">Loading…</span>
    </div>
  );
}

export function Empty(props: { title: string; children?: ReactNode; command?: string }) {
  return (
    <div className="empty">
      <h3>{props.title}</h3>
      {props.children && <p>{props.children}</p>}
      {props.command && <CopyLine text={props.command} />}
    </div>
  );
}

const kAskForRole = 'Ask an administrator for a role that allows it: see Access, “May I?”.';

function adviceFor(error: unknown): string {
  if (!(error instanceof ApiError)) return 'Load the page again; if it stays, the log of Tarn says more.';
  if (error.status === 403) return `${error.hint ? error.hint + '. ' : ''}${kAskForRole}`;
  if (error.hint) return error.hint;
  if (error.status === 401) return 'Log in again.';
  if (error.status === 404) return 'It may have been renamed or removed: look for it with Ctrl-K.';
  if (error.status >= 500) return 'Try again; if it stays, the log of Tarn says more.';
  return 'Change what was asked, and try again.';
}

export function ErrorState({ error, advice, retry }: { error: unknown; advice?: string; retry?: () => void }) {
  const said = error instanceof Error ? error.message : String(error);
  const message = /^[a-z]+ /.test(said) ? said.charAt(0).toUpperCase() + said.slice(1) : said; // names stay as they are
  return (
    <div className="error-state" role="alert">
      <Icon name="warning" />
      <div>
        <strong>{message}</strong>
        <p>{advice ?? adviceFor(error)}</p>
      </div>
      {retry && (
        <Button variant="default" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

// The three states of a query around its content.
export function Loaded<T>(props: { query: UseQueryResult<T>; lines?: number; children: (data: T) => ReactNode }) {
  const { query } = props;
  if (query.data !== undefined) return <>{props.children(query.data)}</>;
  if (query.isError) return <ErrorState error={query.error} retry={() => void query.refetch()} />;
  return <Loading lines={props.lines ?? 5} />;
}
