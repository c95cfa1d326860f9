// The rows of a result: virtual, in data type, numbers to the right, NULL marked.
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef } from 'react';
import type { Cell, ResultColumn } from '../api/types';
import { cellText, formatNumber, isNumeric } from './format';

const kRowPx = 28;
const kCharPx = 8;
const kSample = 200;

function widthOf(rows: Cell[][], column: ResultColumn, index: number): number {
  let chars = Math.max(column.name.length, column.type.length) + 1;
  for (const row of rows.slice(0, kSample)) chars = Math.max(chars, Math.min(cellText(row[index]).length, 48));
  return Math.min(380, Math.max(64, Math.round(chars * kCharPx + 26)));
}

function GridCell({ value, numeric, rounded }: { value: Cell | undefined; numeric: boolean; rounded: boolean }) {
  const isNull = value === null || value === undefined;
  const exact = cellText(value);
  const text = rounded && typeof value === 'number' && !Number.isInteger(value) ? formatNumber(value) : exact;
  return (
    <div
      role="gridcell"
      className={numeric ? 'cell number' : 'cell'}
      title={exact.length > 30 || text !== exact ? exact : undefined}
    >
      {isNull ? <span className="null">NULL</span> : text}
    </div>
  );
}

export interface GridProps {
  label: string;
  columns: ResultColumn[];
  rows: Cell[][];
  numbered?: boolean;
  rounded?: boolean; // fractions as people read them, exact on hover
}

export function Grid({ label, columns, rows, numbered = true, rounded = false }: GridProps) {
  const scroller = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualizer is read in this render only
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => kRowPx,
    overscan: 12,
  });
  const template = useMemo(() => {
    const widths = columns.map((column, index) => `${widthOf(rows, column, index)}px`);
    const number = numbered ? [`${String(rows.length).length * 8 + 24}px`] : [];
    return [...number, ...widths, 'minmax(0, 1fr)'].join(' ');
  }, [columns, rows, numbered]);
  const numeric = columns.map((column) => isNumeric(column.type));
  return (
    <div className="grid" ref={scroller} role="grid" aria-label={label} aria-rowcount={rows.length} tabIndex={0}>
      <div className="grid-head" role="row" style={{ gridTemplateColumns: template }}>
        {numbered && <div className="cell gutter" role="columnheader" aria-label="Row" />}
        {columns.map((column, index) => (
          <div key={index} role="columnheader" className={numeric[index] ? 'cell number' : 'cell'}>
            <span>{column.name}</span>
            <small>{column.type.toLowerCase()}</small>
          </div>
        ))}
        <div className="cell" />
      </div>
      <div className="grid-body" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => (
          <div
            key={item.key}
            role="row"
            aria-rowindex={item.index + 1}
            className="grid-row"
            style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}
          >
            {numbered && <div className="cell gutter">{item.index + 1}</div>}
            {columns.map((_, index) => (
              <GridCell
                key={index}
                value={rows[item.index]?.[index]}
                numeric={numeric[index] ?? false}
                rounded={rounded}
              />
            ))}
            <div className="cell" />
          </div>
        ))}
      </div>
    </div>
  );
}
