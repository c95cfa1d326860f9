// Two panes, one above the other; the line between them is moved with the mouse or the arrow keys, and stays there.
import { useLocalStorage } from '@mantine/hooks';
import { useRef, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react';

const kLeast = 15;
const kMost = 80;
const kStep = 5;
const kUsual = 32;

export function Split({ label, children }: { label: string; children: [ReactNode, ReactNode] }) {
  const panes = useRef<HTMLDivElement>(null);
  const [percent, setPercent] = useLocalStorage({
    key: 'tarn.sql.split',
    defaultValue: kUsual,
    getInitialValueInEffect: false,
  });
  const set = (value: number) => setPercent(Math.round(Math.min(kMost, Math.max(kLeast, value))));
  const onMove = (event: PointerEvent<HTMLDivElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId) || !panes.current) return;
    const { top, height } = panes.current.getBoundingClientRect();
    set(((event.clientY - top) / height) * 100);
  };
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? kStep : event.key === 'ArrowUp' ? -kStep : 0;
    if (step === 0) return;
    event.preventDefault();
    set(percent + step);
  };
  return (
    <div
      className="sql-panes"
      ref={panes}
      style={{ '--upper': `${percent}fr`, '--lower': `${100 - percent}fr` } as object}
    >
      {children[0]}
      <div
        className="split-bar"
        role="separator"
        aria-label={label}
        aria-orientation="horizontal"
        aria-valuenow={percent}
        aria-valuemin={kLeast}
        aria-valuemax={kMost}
        tabIndex={0}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={onMove}
        onDoubleClick={() => set(kUsual)}
        onKeyDown={onKey}
      />
      {children[1]}
    </div>
  );
}
