// The controls of a dashboard's filters, one a kind. What is chosen goes into the address.
import { Button, MultiSelect, Popover, Select, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useFilterValues } from '../../api/queries';
import type { Cell, Dashboard, DashboardFilter } from '../../api/types';
import { Icon } from '../../design/icons';
import { cellText } from '../../design/format';
import { fromAddress, shownValue, toAddress, type Chosen } from './chosen';

interface ControlProps {
  dashboard: Dashboard;
  filter: DashboardFilter;
  chosen: Chosen;
}

const kDates = [
  'today',
  'yesterday',
  'last 7 days',
  'last 30 days',
  'last 12 months',
  'this week',
  'this month',
  'this year',
  'last month',
  'last year',
];

// What holds, in the words of the address.
export const holding = (chosen: Chosen, filter: DashboardFilter): string[] =>
  chosen.get(filter.name) ?? (filter.default === '' ? [] : [filter.default]);

const optionOf = (value: Cell): { value: string; label: string } => {
  const text = value === null ? null : cellText(value);
  return { value: toAddress(text), label: text === '' ? '(empty text)' : (text ?? 'NULL') };
};

function ColumnChoice({ dashboard, filter, chosen }: ControlProps) {
  const values = useFilterValues(dashboard, filter.name, filter.values.length === 0);
  const offered: Cell[] = filter.values.length > 0 ? filter.values : (values.data ?? []);
  const options = new Map(offered.map((value) => [optionOf(value).value, optionOf(value)]));
  const held = holding(chosen, filter);
  for (const value of held) if (!options.has(value)) options.set(value, { value, label: shownValue(value) });
  const words = values.isLoading ? 'Loading…' : values.isError ? 'Its values cannot be read' : 'all';
  return (
    <MultiSelect
      label={filter.label}
      title={filter.columns.join(', ')}
      placeholder={held.length > 0 ? '' : words}
      size="xs"
      className="filter-choice"
      searchable
      clearable
      hidePickedOptions
      limit={200}
      data={[...options.values()]}
      value={held}
      onChange={(picked) => chosen.set(filter.name, picked.length === 0 && filter.default === '' ? undefined : picked)}
    />
  );
}

function ParameterChoice({ filter, chosen }: ControlProps) {
  const held = holding(chosen, filter)[0];
  return (
    <Select
      label={filter.label}
      className="filter-choice"
      clearable={filter.default === ''}
      data={filter.values.map((value) => ({ value: toAddress(value), label: value }))}
      value={held ?? null}
      placeholder="none"
      onChange={(picked) => chosen.set(filter.name, picked === null ? undefined : [picked])}
    />
  );
}

// A text that counts once it is left or Enter is pressed.
function Text(props: {
  label: string;
  value: string;
  type?: string;
  placeholder?: string;
  onChange: (value: string) => void;
}) {
  const [text, setText] = useState(props.value);
  const [from, setFrom] = useState(props.value);
  if (from !== props.value) {
    setFrom(props.value);
    setText(props.value);
  }
  const commit = () => {
    if (text !== props.value) props.onChange(text.trim());
  };
  return (
    <TextInput
      label={props.label}
      type={props.type ?? 'text'}
      className="filter-text"
      placeholder={props.placeholder ?? ''}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={commit}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
    />
  );
}

function OneValue({ filter, chosen }: ControlProps) {
  const held = fromAddress(holding(chosen, filter)[0] ?? '') ?? '';
  const type = filter.kind === 'number' || filter.kind === 'date' ? filter.kind : 'search';
  return (
    <Text
      label={filter.label}
      type={type}
      value={held}
      placeholder={filter.kind === 'search' ? 'contains…' : ''}
      onChange={(text) =>
        chosen.set(filter.name, text === '' ? (filter.default === '' ? undefined : []) : [toAddress(text)])
      }
    />
  );
}

const endsOf = (text: string): [string, string] => {
  const dots = text.indexOf('..');
  return dots < 0 ? [text, ''] : [text.slice(0, dots), text.slice(dots + 2)];
};

function Range({ dashboard, filter, chosen }: ControlProps) {
  const ends = useFilterValues(dashboard, filter.name);
  const [from, to] = endsOf(holding(chosen, filter)[0] ?? '');
  const set = (low: string, high: string) =>
    chosen.set(filter.name, low === '' && high === '' ? (filter.default === '' ? undefined : []) : [`${low}..${high}`]);
  const hint = (at: number) => (ends.data?.[at] === undefined || ends.data[at] === null ? '' : cellText(ends.data[at]));
  return (
    <fieldset className="filter-range">
      <legend>{filter.label}</legend>
      <Text label="from" type="number" placeholder={hint(0)} value={from} onChange={(low) => set(low, to)} />
      <Text label="to" type="number" placeholder={hint(1)} value={to} onChange={(high) => set(from, high)} />
    </fieldset>
  );
}

function Dates({ filter, chosen }: ControlProps) {
  const [open, setOpen] = useState(false);
  const held = holding(chosen, filter)[0] ?? '';
  const [from, to] = held.includes('..') ? endsOf(held) : ['', ''];
  const choose = (text: string) => {
    chosen.set(filter.name, text === '' || text === '..' ? (filter.default === '' ? undefined : []) : [text]);
  };
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-start" shadow="md" trapFocus>
      <div className="filter-dates">
        <span className="filter-label">{filter.label}</span>
        <Popover.Target>
          <Button
            variant="default"
            aria-label={`${filter.label}: ${held || 'all dates'}`}
            rightSection={<Icon name="down" size={12} />}
            onClick={() => setOpen(!open)}
          >
            {held || 'all dates'}
          </Button>
        </Popover.Target>
      </div>
      <Popover.Dropdown>
        <div className="dates-choice">
          <div className="dates-words">
            {kDates.map((words) => (
              <Button
                key={words}
                variant={words === held ? 'light' : 'subtle'}
                size="compact-xs"
                onClick={() => {
                  choose(words);
                  setOpen(false);
                }}
              >
                {words}
              </Button>
            ))}
            <Button variant="subtle" size="compact-xs" onClick={() => choose('')}>
              all dates
            </Button>
          </div>
          <Text label="from" type="date" value={from} onChange={(low) => choose(`${low}..${to}`)} />
          <Text label="to" type="date" value={to} onChange={(high) => choose(`${from}..${high}`)} />
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

function Control(props: ControlProps) {
  const { kind, columns } = props.filter;
  if (kind === 'choice') return columns.length > 0 ? <ColumnChoice {...props} /> : <ParameterChoice {...props} />;
  if (kind === 'range') return <Range {...props} />;
  if (kind === 'dates') return <Dates {...props} />;
  return <OneValue {...props} />;
}

export function Filters({ dashboard, chosen }: { dashboard: Dashboard; chosen: Chosen }) {
  if (dashboard.filters.length === 0 && chosen.clicked.length === 0) return null;
  return (
    <div className="filters">
      {dashboard.filters.map((filter) => (
        <Control key={filter.name} dashboard={dashboard} filter={filter} chosen={chosen} />
      ))}
      {chosen.clicked.map(([column, value]) => (
        <Button
          key={column + '=' + value}
          variant="light"
          title={`Clicked in a chart: ${column}`}
          aria-label={`Take off ${column} = ${shownValue(value)}`}
          rightSection={<Icon name="cross" size={12} />}
          onClick={() => chosen.without(column, value)}
        >
          {column.split('.').slice(2).join('.')} = {shownValue(value)}
        </Button>
      ))}
      {chosen.isAny && (
        <Button variant="subtle" onClick={chosen.clear}>
          Reset
        </Button>
      )}
    </div>
  );
}
