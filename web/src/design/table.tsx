// Lists: a plain table whose rows may lead somewhere. Results of SQL have a grid of their own (grid.tsx).
import type { ReactNode } from 'react';
import { useLocation } from 'wouter';

export interface Column<Row> {
  key: string;
  title: string;
  cell: (row: Row) => ReactNode;
  number?: boolean; // right-aligned, in digits of one width
  data?: boolean; // names, types, code: monospace
  width?: number; // at least, in pixels: keeps tables below each other in line
  wraps?: boolean; // may take several lines
  wide?: boolean; // takes what is left, and is cut with an ellipsis
  narrow?: boolean; // left out on a phone
}

export interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row) => string;
  href?: (row: Row) => string;
  onOpen?: (row: Row) => void;
  current?: string;
}

export function Table<Row>(props: TableProps<Row>) {
  const [, navigate] = useLocation();
  const { columns, href, onOpen } = props;
  const opens = href !== undefined || onOpen !== undefined;
  const open = (row: Row) => (href ? navigate(href(row)) : onOpen?.(row));
  const classOf = (column: Column<Row>) =>
    [
      column.number && 'number',
      column.data && 'data',
      column.wide && 'wide',
      column.wraps && 'wraps',
      column.narrow && 'not-phone',
    ]
      .filter(Boolean)
      .join(' ');
  return (
    <div className="table-scroll">
      <table className="table" aria-label={props.label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.key} scope="col" className={classOf(column)} style={{ minWidth: column.width }}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr
              key={props.keyOf(row)}
              className={opens ? 'opens' : undefined}
              aria-current={props.current === props.keyOf(row) ? true : undefined}
              tabIndex={opens ? 0 : undefined}
              onClick={(event) => {
                if (opens && !(event.target as HTMLElement).closest('a,button,input')) open(row);
              }}
              onKeyDown={(event) => {
                if (opens && event.key === 'Enter' && event.target === event.currentTarget) open(row);
              }}
            >
              {columns.map((column) => (
                <td key={column.key} className={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
