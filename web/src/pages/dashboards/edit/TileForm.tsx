// The form of one tile: its kind, its SELECT or text, and how it is drawn.
import { Button, Drawer, NumberInput, Select, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { TileKind } from '../../../api/types';
import type { TileValues } from './yaml';

export const kKinds: TileKind[] = [
  'number',
  'line',
  'area',
  'bar',
  'scatter',
  'table',
  'pivot',
  'heatmap',
  'funnel',
  'map',
  'text',
];
const kHints: Record<TileKind, string> = {
  number: 'One value; a second one is what it is compared with.',
  line: 'An x column, then one or more values; or x, a name, a value.',
  area: 'As a line: x, then values; or x, a name, a value.',
  bar: 'A name, then one or more values; or a name, a series, a value.',
  scatter: 'Two numbers; perhaps a name (colour) and a number (size).',
  table: 'Any columns.',
  pivot: 'Names of rows, the column that becomes columns, a value.',
  heatmap: 'x, y, value.',
  funnel: 'A step and its count, in order.',
  map: 'Columns lon and lat; or a country and a value.',
  text: 'Markdown.',
};

export const kindOf = (values: TileValues): TileKind => kKinds.find((kind) => values[kind] !== undefined) ?? 'table';
const textOf = (value: unknown): string => (value === undefined || value === null ? '' : String(value));

// A mapping of formats as it is written in YAML's short form.
const formatText = (value: unknown): string =>
  typeof value === 'object' && value !== null
    ? Object.entries(value)
        .map(([column, format]) => `${column}: ${String(format)}`)
        .join('; ')
    : textOf(value);
function formatValue(text: string): unknown {
  if (!text.includes(': ')) return text;
  return Object.fromEntries(
    text.split(';').map((part) => {
      const colon = part.indexOf(': ');
      return [part.slice(0, colon).trim(), part.slice(colon + 2).trim()];
    }),
  );
}

interface TileFormProps {
  values: TileValues;
  isNew: boolean;
  onSave: (changes: TileValues) => void;
  onClose: () => void;
}

function Looks({ kind, values, set }: { kind: TileKind; values: TileValues; set: (changes: TileValues) => void }) {
  const choice = (key: string, label: string, data: string[]) => (
    <Select
      label={label}
      data={data}
      value={textOf(values[key]) || data[0]!}
      allowDeselect={false}
      onChange={(value) => set({ [key]: value === data[0] ? '' : value })}
    />
  );
  const number = (key: string, label: string, max: number) => (
    <NumberInput
      size="xs"
      label={label}
      min={1}
      max={max}
      allowDecimal={false}
      placeholder="auto"
      value={Number(values[key]) || ''}
      onChange={(value) => set({ [key]: value === '' ? '' : Number(value) })}
    />
  );
  return (
    <div className="form-grid">
      {number('width', 'Columns wide, of 12', 12)}
      {number('height', 'Rows high', 30)}
      {kind !== 'text' && (
        <TextInput
          label="Numbers"
          description="0,0.0 or column: $0,0.00; column: 0.0 %"
          value={formatText(values.format)}
          onChange={(event) => set({ format: formatValue(event.currentTarget.value) })}
        />
      )}
      {(kind === 'bar' || kind === 'area') && choice('stack', 'Stack', ['none', 'sum', 'percent'])}
      {kind === 'bar' && choice('direction', 'Bars grow', ['auto', 'up', 'right'])}
      {(kind === 'line' || kind === 'area') && choice('nulls', 'No value is', ['gap', 'zero'])}
      {kind === 'map' && (
        <TextInput
          label="Shapes"
          placeholder="the world"
          value={textOf(values.shapes)}
          onChange={(event) => set({ shapes: event.currentTarget.value })}
        />
      )}
    </div>
  );
}

function Form({ values: given, isNew, onSave }: Omit<TileFormProps, 'onClose'>) {
  const [values, setValues] = useState(given);
  const kind = kindOf(values);
  const set = (changes: TileValues) => setValues((old) => ({ ...old, ...changes }));
  const setKind = (next: TileKind) => {
    const { [kind]: body, ...rest } = values;
    setValues({ [next]: body ?? '', ...rest });
  };
  const save = () => {
    const gone = Object.fromEntries(
      Object.keys(given)
        .filter((key) => !(key in values))
        .map((key) => [key, '']),
    );
    const changed = Object.entries(values).filter(
      ([key, value]) => JSON.stringify(value) !== JSON.stringify(given[key]),
    );
    onSave({ ...gone, ...Object.fromEntries(changed) });
  };
  return (
    <form
      className="stack wide-gap"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <Select
        label="Kind"
        data={kKinds}
        value={kind}
        allowDeselect={false}
        onChange={(value) => setKind((value ?? kind) as TileKind)}
      />
      <TextInput
        label="Title"
        value={textOf(values.title)}
        onChange={(event) => set({ title: event.currentTarget.value })}
      />
      <Textarea
        size="xs"
        label={kind === 'text' ? 'Text' : 'SELECT'}
        description={kHints[kind]}
        autosize
        minRows={5}
        maxRows={20}
        classNames={{ input: 'data-text' }}
        value={textOf(values[kind])}
        onChange={(event) => set({ [kind]: event.currentTarget.value })}
      />
      <TextInput
        label="Description"
        value={textOf(values.description)}
        onChange={(event) => set({ description: event.currentTarget.value })}
      />
      <Looks kind={kind} values={values} set={set} />
      <div className="row">
        <Button type="submit" disabled={textOf(values[kind]).trim() === ''}>
          {isNew ? 'Add the tile' : 'Change the tile'}
        </Button>
      </div>
    </form>
  );
}

export function TileForm({ onClose, ...props }: TileFormProps) {
  return (
    <Drawer opened onClose={onClose} title={props.isNew ? 'A new tile' : 'The tile'}>
      <Form {...props} />
    </Drawer>
  );
}
