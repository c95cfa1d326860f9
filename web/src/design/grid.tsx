// The rows of a result: virtual, in data type, numbers to the right, NULL marked.
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef } from 'react';
import type { Cell, ResultColumn } from '../api/types';
import { cellText, formatterFor, isNumeric } from './format';
import { numberOf } from './number';

const kRowPx = 28;
const kCharPx = 8;
const kSample = 200;
const kCharsMax = 48;

function widthOf(rows: Cell[][], column: ResultColumn, index: number): number {
  let chars = Math.max(column.name.length, Math.min(column.type.length, kCharsMax)) + 1;
  for (const row of rows.slice(0, kSample)) chars = Math.max(chars, Math.min(cellText(row[index]).length, kCharsMax));
  return Math.min(380, Math.max(64, Math.round(chars * kCharPx + 36)));
}

interface GridCellProps {
  value: Cell | undefined;
  numeric: boolean;
  format: ((value: number) => string) | undefined;
}

function GridCell({ value, numeric, format }: GridCellProps) {
  const isNull = value === null || value === undefined;
  const exact = cellText(value);
  const number = format ? numberOf(value) : null;
  const text = format && number !== null ? format(number) : exact;
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
  writers?: (((value: number) => string) | undefined)[]; // of the columns, where the caller knows better
  forReading?: boolean; // numbers as people read them, exact on hover; types on hover only
}

export function Grid({ label, columns, rows, numbered = true, forReading = false, writers }: GridProps) {
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
  const formats = useMemo(
    () =>
      columns.map((column, index) =>
        writers
          ? writers[index]
          : forReading && isNumeric(column.type)
            ? formatterFor(
                column.name,
                rows.slice(0, kSample).map((row) => numberOf(row[index])),
              )
            : undefined,
      ),
    [columns, rows, forReading, writers],
  );
  return (
    <div
      className={forReading ? 'grid reading' : 'grid'}
      ref={scroller}
      role="grid"
      aria-label={label}
      aria-rowcount={rows.length}
      tabIndex={0}
    >
      <div className="grid-head" role="row" style={{ gridTemplateColumns: template }}>
        {numbered && <div className="cell gutter" role="columnheader" aria-label="Row" />}
        {columns.map((column, index) => (
          <div
            key={index}
            role="columnheader"
            className={numeric[index] ? 'cell number' : 'cell'}
            title={`${column.name} ${column.type.toLowerCase()}`}
          >
            <span>{column.name}</span>
            {!forReading && <small>{column.type.toLowerCase()}</small>}
          </div>
        ))}
        <div className="cell" role="presentation" />
      </div>
      {rows.length === 0 && <p className="grid-none">No rows</p>}
      <div className="grid-body" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => (
          <div
            key={item.key}
            role="row"
            aria-rowindex={item.index + 1}
            className="grid-row"
            style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}
          >
            {numbered && (
              <div className="cell gutter" role="rowheader">
                {item.index + 1}
              </div>
            )}
            {columns.map((_, index) => (
              <GridCell
                key={index}
                value={rows[item.index]?.[index]}
                numeric={numeric[index] ?? false}
                format={formats[index]}
              />
            ))}
            <div className="cell" role="presentation" />
          </div>
        ))}
      </div>
    </div>
  );
}
