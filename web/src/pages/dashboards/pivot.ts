// A pivot table's cells: all columns but the last two name the rows, the last but one becomes columns, the last is what
// stands where they meet.
import type { Cell, ResultColumn } from '../../api/types';
import { cellText } from '../../design/format';

export interface Pivot {
  heads: string[];
  columns: string[];
  rows: { names: string[]; cells: (number | null)[] }[]; // places of result rows, null where there is none
}

export function pivotOf(columns: ResultColumn[], rows: Cell[][]): Pivot {
  const across = columns.length - 2;
  const names = [...new Set(rows.map((row) => cellText(row[across])))];
  const at = new Map(names.map((name, index) => [name, index]));
  const byRow = new Map<string, Pivot['rows'][number]>();
  rows.forEach((row, index) => {
    const heads = row.slice(0, across).map(cellText);
    const key = JSON.stringify(heads);
    const found = byRow.get(key) ?? { names: heads, cells: names.map(() => null) };
    found.cells[at.get(cellText(row[across]))!] = index;
    byRow.set(key, found);
  });
  return { heads: columns.slice(0, across).map((column) => column.name), columns: names, rows: [...byRow.values()] };
}
