// SQL: write, run, cancel, look at the rows or a chart of them, and see which versions were read.
import { Button, Menu, SegmentedControl, Select, Skeleton } from '@mantine/core';
import { useCallback, useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import { ApiError } from '../../api/client';
import { cancelSql, runSql, useSqlWords } from '../../api/queries';
import type { SqlResult } from '../../api/types';
import { CopyButton } from '../../design/copy';
import { formatCount, formatDuration, plural, toCsv } from '../../design/format';
import { Grid } from '../../design/grid';
import { Icon } from '../../design/icons';
import { later } from '../../design/later';
import { Page } from '../../design/page';
import { Empty, ErrorState } from '../../design/states';
import { hrefOfDataset, nameOf } from '../catalog/names';
import { ResultChart } from './ResultChart';
import { Split } from './Split';
import {
  firstText,
  fromAddress,
  keepText,
  markRun,
  pastQueries,
  rememberQuery,
  runsByItself,
  toAddress,
} from './store';

const SqlEditor = later(() => import('../../design/editor/SqlEditor'), <Skeleton height="100%" />);

const kLimits = ['100', '1000', '10000', '100000'];
const kUsual = '1000';

interface Running {
  id: string;
  since: number;
}

function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function useStatement(limit: number) {
  const [running, setRunning] = useState<Running | null>(null);
  const [result, setResult] = useState<SqlResult | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [offset, setOffset] = useState(0); // where the text that was run begins in the editor
  const latest = useRef('');
  const run = useCallback(
    async (sql: string, startsAt: number) => {
      if (latest.current || sql.trim() === '') return;
      const id = newId();
      latest.current = id;
      setRunning({ id, since: Date.now() });
      setError(null);
      setOffset(startsAt);
      rememberQuery(sql);
      try {
        setResult(await runSql(sql, id, limit));
      } catch (caught) {
        setError(caught instanceof Error ? caught : new Error(String(caught)));
      } finally {
        latest.current = '';
        setRunning(null);
      }
    },
    [limit],
  );
  const cancel = () => {
    if (running) void cancelSql(running.id).catch(() => undefined); // it may have just ended
  };
  const position = error instanceof ApiError && error.position ? error.position + offset : undefined;
  return { running, result, error, position, run, cancel };
}

function Elapsed({ since }: { since: number }) {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setSeconds((Date.now() - since) / 1000), 100);
    return () => clearInterval(timer);
  }, [since]);
  return <span>Running for {seconds.toFixed(1)} s</span>;
}

function Summary({ result }: { result: SqlResult }) {
  return (
    <div className="row small soft">
      <span>
        {plural(result.row_count, 'row')}
        {result.truncated && ', there are more: raise the limit'}
      </span>
      <span className="faint">{formatDuration(result.seconds)}</span>
      {result.statements > 1 && <span className="faint">{formatCount(result.statements)} statements</span>}
      {result.reads.length > 0 && <span className="faint">read</span>}
      {result.reads.map((read, index) => (
        <Link key={index} href={hrefOfDataset(read, 'versions')} className="tag">
          {nameOf(read)}
          {read.version && ` @ ${read.version}`}
        </Link>
      ))}
    </div>
  );
}

function Result({ result }: { result: SqlResult }) {
  const [view, setView] = useState(() => (fromAddress('view') === 'chart' ? 'chart' : 'rows'));
  const show = (shown: string) => {
    setView(shown);
    toAddress(shown === 'chart' ? { view: shown } : { view: '', kind: '', x: '', y: '', by: '' });
  };
  return (
    <>
      <div className="result-bar">
        <SegmentedControl
          aria-label="Show"
          value={view}
          onChange={show}
          data={[
            { value: 'rows', label: 'Rows' },
            { value: 'chart', label: 'Chart' },
          ]}
        />
        <Summary result={result} />
        <span className="grow" />
        <CopyButton
          text={() =>
            toCsv(
              result.columns.map((column) => column.name),
              result.rows,
            )
          }
        >
          Copy as CSV
        </CopyButton>
      </div>
      <div className="result-body">
        {view === 'chart' ? (
          <ResultChart columns={result.columns} rows={result.rows} />
        ) : result.columns.length === 0 ? (
          <Empty title="Done">The statement has no rows to show.</Empty>
        ) : (
          <Grid label="Result" columns={result.columns} rows={result.rows} />
        )}
      </div>
    </>
  );
}

function Failure({ error }: { error: Error }) {
  if (error instanceof ApiError && error.code === 'cancelled') {
    return <Empty title="Cancelled">The statement was stopped; it changed nothing.</Empty>;
  }
  return (
    <div className="pad">
      <ErrorState error={error} />
    </div>
  );
}

function Past({ onChoose }: { onChoose: (sql: string) => void }) {
  const past = pastQueries();
  return (
    <Menu shadow="md" width={480} position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<Icon name="clock" size={16} />}>
          Past
        </Button>
      </Menu.Target>
      <Menu.Dropdown mah={400} style={{ overflow: 'auto' }}>
        <Menu.Label>{past.length ? 'Run from this browser' : 'What you run is kept here, in this browser'}</Menu.Label>
        {past.map((sql) => (
          <Menu.Item key={sql} onClick={() => onChoose(sql)}>
            <code className="past">{sql.replace(/\s+/g, ' ')}</code>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

export default function SqlPage() {
  const [text, setText] = useState(firstText);
  const [limit, setLimit] = useState(() => (kLimits.includes(fromAddress('limit')) ? fromAddress('limit') : kUsual));
  const words = useSqlWords();
  const statement = useStatement(Number(limit));
  const { run, running, result, error, position } = statement;
  useEffect(() => keepText(text), [text]);
  const first = useRef(runsByItself() ? text : '');
  useEffect(() => {
    if (first.current) void run(first.current, 0);
    first.current = '';
  }, [run]);
  const edit = (changed: string) => {
    setText(changed);
    markRun(false);
  };
  const runText = (selection: string) => {
    const part = selection.trim() === '' ? '' : selection;
    markRun(part === '');
    void run(part || text, part ? Math.max(0, text.indexOf(part)) : 0);
  };
  const mark = error && position ? { message: error.message, position } : undefined;
  return (
    <Page
      title="SQL"
      subtitle="Every table you may read, in DuckDB’s SQL. What you run is in the audit log."
      fill
      behind={{ post: '/sql' }}
      action={
        <>
          <Select
            aria-label="Rows at most"
            w={130}
            data={kLimits.map((value) => ({ value, label: `${formatCount(Number(value))} rows` }))}
            value={limit}
            allowDeselect={false}
            onChange={(value) => {
              setLimit(value ?? kUsual);
              toAddress({ limit: value === kUsual ? '' : (value ?? '') });
            }}
          />
          <Past onChoose={edit} />
          {running ? (
            <Button variant="default" onClick={statement.cancel} leftSection={<Icon name="stop" size={16} />}>
              Cancel
            </Button>
          ) : (
            <Button onClick={() => runText('')} leftSection={<Icon name="runs" size={16} />} title="Ctrl Enter">
              Run
            </Button>
          )}
        </>
      }
    >
      <Split label="Height of the editor">
        <div className="sql-editor section">
          <SqlEditor text={text} words={words.data} error={mark} onChange={edit} onRun={runText} />
        </div>
        <div className="sql-result section" aria-live="polite">
          {running && (
            <div className="result-bar soft">
              <Icon name="running" spin size={16} />
              <Elapsed since={running.since} />
            </div>
          )}
          {!running && error && <Failure error={error} />}
          {!running && !error && result && <Result result={result} />}
          {!running && !error && !result && (
            <Empty title="Rows appear here" command="SELECT * FROM system.assets">
              Ctrl Enter runs the text, or the part of it that is selected. What there is to ask:
            </Empty>
          )}
        </div>
      </Split>
    </Page>
  );
}
