// A chart of a result: what is x, what is drawn, as lines or bars.
import { MultiSelect, SegmentedControl, Select } from '@mantine/core';
import { useMemo, useState } from 'react';
import type { Cell, ResultColumn } from '../../api/types';
import { Chart, chartData, type ChartKind } from '../../design/chart';
import { isNumeric } from '../../design/format';
import { Empty } from '../../design/states';
import { fromAddress, toAddress } from './store';

const kPointsMax = 5000;

function useChoice(columns: ResultColumn[]) {
  const numeric = columns.map((_, index) => index).filter((index) => isNumeric(columns[index]!.type));
  const firstX = columns.findIndex((column) => !isNumeric(column.type));
  const x = firstX >= 0 ? firstX : 0;
  const usual: ChartKind = columns[x] && /^(DATE|TIME)/.test(columns[x].type) ? 'line' : 'bar';
  const [chosen, setChosen] = useState(() => {
    const named = (name: string) => columns.findIndex((column) => column.name === name);
    const ys = fromAddress('y')
      .split(',')
      .map(named)
      .filter((index) => numeric.includes(index));
    const kind = fromAddress('kind');
    return {
      x: named(fromAddress('x')) < 0 ? x : named(fromAddress('x')),
      ys: ys.length > 0 ? ys : numeric.filter((index) => index !== x).slice(0, 4),
      kind: (['line', 'area', 'bar'] as const).find((known) => known === kind) ?? usual,
      by: named(fromAddress('by')), // the column whose values become a line or bar each; -1 for none
    };
  });
  const choose = (changed: Partial<typeof chosen>) => {
    const next = { ...chosen, ...changed };
    setChosen(next);
    const nameOf = (index: number) => columns[index]?.name ?? '';
    toAddress({ kind: next.kind, x: nameOf(next.x), y: next.ys.map(nameOf).join(','), by: nameOf(next.by) });
  };
  return { numeric, ...chosen, choose };
}

export function ResultChart({ columns, rows }: { columns: ResultColumn[]; rows: Cell[][] }) {
  const { numeric, x, ys, kind, by, choose } = useChoice(columns);
  const data = useMemo(() => {
    const others = ys.filter((index) => index !== x);
    const isSplit = by >= 0 && by !== x && others[0] !== undefined;
    const order = isSplit ? [x, by, others[0]!] : [x, ...others];
    const picked = rows.slice(0, kPointsMax).map((row) => order.map((index) => row[index] ?? null));
    return chartData(
      order.map((index) => columns[index]!),
      picked,
      isSplit ? undefined : order.slice(1).map((_, index) => index + 1),
    );
  }, [columns, rows, x, ys, by]);
  if (numeric.length === 0 || rows.length === 0) {
    return <Empty title="Nothing to draw">A chart needs rows with a number in them.</Empty>;
  }
  const names = columns.map((_, index) => index).filter((index) => !numeric.includes(index) && index !== x);
  const option = (index: number) => ({ value: String(index), label: columns[index]!.name });
  return (
    <div className="chart-pane">
      <div className="filters">
        <SegmentedControl
          aria-label="Kind of chart"
          value={kind}
          onChange={(value) => choose({ kind: value as ChartKind })}
          data={[
            { value: 'line', label: 'Lines' },
            { value: 'area', label: 'Areas' },
            { value: 'bar', label: 'Bars' },
          ]}
        />
        <Select
          label="Along"
          w={180}
          data={columns.map((_, index) => option(index))}
          value={String(x)}
          allowDeselect={false}
          onChange={(value) => choose({ x: Number(value) })}
        />
        <MultiSelect
          size="xs"
          label="Values"
          miw={220}
          data={numeric.map(option)}
          value={ys.map(String)}
          onChange={(values) => choose({ ys: values.map(Number) })}
        />
        {names.length > 0 && (
          <Select
            label="One for each"
            placeholder="all together"
            w={160}
            clearable
            data={names.map(option)}
            value={by >= 0 ? String(by) : null}
            onChange={(value) => choose({ by: value === null ? -1 : Number(value) })}
          />
        )}
      </div>
      <div className="chart-space">
        <Chart kind={kind} data={data} label="Chart of the result" />
      </div>
    </div>
  );
}
