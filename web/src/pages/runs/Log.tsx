// The log of a run, as it is written. Only the lines in sight are drawn; it stays at the end until somebody scrolls up.
import { Button, Switch, TextInput } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import type { RunLine } from '../../api/types';
import { CopyButton } from '../../design/copy';
import { formatExact, plural } from '../../design/format';
import { Section } from '../../design/page';
import { Empty, ErrorState } from '../../design/states';
import { Status } from '../../design/status';
import { Said } from '../../design/time';
import { useRunLog } from './useRunLog';

const kClock = { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 } as const;
const kUpKeys = ['ArrowUp', 'PageUp', 'Home'];
const kLinePx = 20;
const kNearEndPx = 24;
const kBad = /\b(error|failed|refused|traceback)\b/i;

function clock(at: string): string {
  return new Date(at).toLocaleTimeString('en-GB', kClock);
}

function Line({ line, wrap }: { line: RunLine; wrap: boolean }) {
  return (
    <>
      <span className="log-number" aria-hidden="true">
        {line.number}
      </span>
      <time dateTime={line.at} title={formatExact(line.at)}>
        {clock(line.at)}
      </time>
      <span className={kBad.test(line.text) ? 'log-text bad' : 'log-text'} data-wrap={wrap || undefined}>
        <Said text={line.text} />
      </span>
    </>
  );
}

// The lines in a box of their own. `follows`: its end is kept in sight.
function Lines(props: { lines: RunLine[]; follows: boolean; wrap: boolean; onFollow: (follows: boolean) => void }) {
  const { lines, follows, wrap, onFollow } = props;
  const box = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualizer is read in this render only
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => kLinePx,
    getItemKey: (index) => lines[index]!.number,
    overscan: 20,
  });
  const total = virtual.getTotalSize();
  useEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follows, total, lines.length]);
  const last = useRef(0);
  const onScroll = () => {
    const element = box.current!;
    const isUp = element.scrollTop < last.current - 1;
    last.current = element.scrollTop;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < kNearEndPx;
    if (atEnd !== follows && (atEnd || isUp)) onFollow(atEnd);
  };
  return (
    <div
      className="log-box"
      ref={box}
      onScroll={onScroll}
      onWheel={(event) => event.deltaY < 0 && onFollow(false)}
      onKeyDown={(event) => kUpKeys.includes(event.key) && onFollow(false)}
      tabIndex={0}
      role="log"
      aria-label="Log"
      aria-live="off"
    >
      <div style={{ height: total, position: 'relative', minWidth: wrap ? undefined : 'max-content' }}>
        {virtual.getVirtualItems().map((item) => (
          <div
            key={item.key}
            ref={virtual.measureElement}
            data-index={item.index}
            className="log-line"
            style={{ transform: `translateY(${item.start}px)` }}
          >
            <Line line={lines[item.index]!} wrap={wrap} />
          </div>
        ))}
      </div>
    </div>
  );
}

export function Log({ run, isLive, isWriting }: { run: string; isLive: boolean; isWriting: boolean }) {
  const log = useRunLog(run);
  const [follows, setFollows] = useState(isLive);
  const [wrap, setWrap] = useState(true);
  const [sought, setSought] = useState('');
  const wanted = useDeferredValue(sought.trim().toLowerCase());
  const lines = useMemo(
    () => (wanted === '' ? log.lines : log.lines.filter((line) => line.text.toLowerCase().includes(wanted))),
    [log.lines, wanted],
  );
  const count = log.dropped + log.lines.length;
  const note =
    wanted !== ''
      ? `${plural(lines.length, 'line')} of ${count.toLocaleString('en-US')}`
      : plural(count, 'line') +
        (log.dropped > 0 ? `, the newest ${log.lines.length.toLocaleString('en-US')} are here` : '');
  return (
    <Section
      title="Log"
      note={note}
      action={isWriting && log.live && <Status name="running" word="as it is written" />}
    >
      {log.error !== null && <ErrorState error={log.error} />}
      {log.lines.length === 0 ? (
        <Empty title={log.live ? 'No log yet' : 'It wrote nothing'}>Lines appear while the run works.</Empty>
      ) : (
        <>
          <div className="row pad log-tools" id="log">
            <TextInput
              aria-label="Find in the log"
              placeholder="Find in the log"
              w={220}
              value={sought}
              onChange={(event) => setSought(event.currentTarget.value)}
            />
            <Switch size="xs" label="Wrap" checked={wrap} onChange={(event) => setWrap(event.currentTarget.checked)} />
            <span className="grow" />
            <Button variant="default" h={28} disabled={follows} onClick={() => setFollows(true)}>
              {follows ? 'At the end' : 'To the end'}
            </Button>
            <CopyButton text={() => lines.map((line) => `${line.at} ${line.text}`).join('\n')}>Copy</CopyButton>
          </div>
          <Lines key={String(wrap)} lines={lines} follows={follows} wrap={wrap} onFollow={setFollows} />
        </>
      )}
    </Section>
  );
}
