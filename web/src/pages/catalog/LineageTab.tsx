// Lineage of a dataset, both ways; the way of one column, or the columns that flow along a chosen edge.
import { Select } from '@mantine/core';
import { useMemo } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { useLineage, useOverview } from '../../api/queries';
import type { Lineage, LineageEdge, NodeKind } from '../../api/types';
import { DataFlow, type FlowNode } from '../../design/flow';
import { Empty, Loaded } from '../../design/states';
import { Table } from '../../design/table';
import { columnsOf, idOf, wayOf, type ColumnWay } from './lineage';

const kDepths = ['1', '2', '3', '5', '10'];

function ColumnFlow({ edge }: { edge: LineageEdge }) {
  return (
    <>
      <p className="pad soft">
        Columns of <code>{edge.to}</code> that come from <code>{edge.from}</code>
      </p>
      {edge.columns.length === 0 ? (
        <p className="pad faint">It is read without any of its columns being kept, as in a join or a filter.</p>
      ) : (
        <Table
          label="Columns along the edge"
          rows={edge.columns}
          keyOf={(pair) => `${pair.column}←${pair.input_column}`}
          columns={[
            { key: 'from', title: edge.from, data: true, cell: (pair) => pair.input_column },
            { key: 'arrow', title: '', cell: () => <span className="faint">→</span> },
            { key: 'to', title: edge.to, data: true, wide: true, cell: (pair) => pair.column },
          ]}
        />
      )}
    </>
  );
}

function Way({ way, column }: { way: ColumnWay; column: string }) {
  if (way.steps.length === 0) return <p className="pad faint">No dataset of this picture knows {column}.</p>;
  return (
    <Table
      label="The way of the column"
      rows={way.steps}
      keyOf={(step) => `${step.edge}:${step.column}:${step.becomes}`}
      columns={[
        { key: 'from', title: 'From', data: true, cell: (step) => <span className="soft">{step.from}</span> },
        { key: 'column', title: 'Column', data: true, cell: (step) => step.column },
        { key: 'arrow', title: '', cell: () => <span className="faint">→</span> },
        { key: 'to', title: 'To', data: true, cell: (step) => <span className="soft">{step.to}</span> },
        { key: 'becomes', title: 'Column', data: true, wide: true, cell: (step) => step.becomes },
      ]}
    />
  );
}

function useNodes(lineage: Lineage | undefined): FlowNode[] {
  const overview = useOverview();
  const states = new Map((overview.data?.nodes ?? []).map((node) => [node.id, node]));
  return (lineage?.nodes ?? []).map((node) => {
    const known = states.get(node.id);
    return known ? { ...known } : { id: node.id, kind: node.kind as NodeKind, title: node.id };
  });
}

export function LineageTab({ schema, name }: { schema: string; name: string }) {
  const [parameters, setParameters] = useSearchParams();
  const [, navigate] = useLocation();
  const depth = Number(parameters.get('depth') ?? '3');
  const lineage = useLineage(schema, name, depth);
  const nodes = useNodes(lineage.data);
  const chosen = parameters.get('edge') ?? '';
  const column = parameters.get('column') ?? '';
  const set = (values: Record<string, string>) =>
    setParameters((old) => {
      const changed = new URLSearchParams(old);
      for (const [key, value] of Object.entries(values)) {
        if (value) changed.set(key, value);
        else changed.delete(key);
      }
      return changed;
    });
  const full = `${schema}.${name}`;
  const way = useMemo(
    () => (lineage.data && column ? wayOf(lineage.data, full, column) : undefined),
    [lineage.data, full, column],
  );
  return (
    <Loaded query={lineage}>
      {(data) => {
        if (data.edges.length === 0) {
          return <Empty title="No lineage yet">It is recorded by the engine each time a version is written.</Empty>;
        }
        const edge = data.edges.find((each) => idOf(each) === chosen);
        return (
          <>
            <div className="row pad">
              <span className="faint grow">
                Choose a column to follow it, an arrow to see what flows along it, a card to go there
              </span>
              <Select
                aria-label="Column"
                placeholder="all columns"
                w={200}
                searchable
                clearable
                data={columnsOf(data, full)}
                value={column || null}
                onChange={(value) => set({ column: value ?? '', edge: '' })}
              />
              <Select
                aria-label="Steps"
                w={110}
                data={kDepths.map((value) => ({ value, label: `${value} ${value === '1' ? 'step' : 'steps'}` }))}
                value={String(depth)}
                allowDeselect={false}
                onChange={(value) => value && set({ depth: value })}
              />
            </div>
            <DataFlow
              label={`Lineage of ${full}`}
              nodes={nodes}
              edges={data.edges}
              chosenNode={full}
              {...(way ? { lit: way } : {})}
              chosenEdge={chosen}
              onNode={(node) => navigate(`/catalog/${node.id.replace('.', '/')}?tab=lineage`)}
              onEdge={(id) => set({ edge: id, column: '' })}
            />
            <div className="row pad">
              {data.edges.map((each) => (
                <button
                  key={idOf(each)}
                  type="button"
                  className={each === edge ? 'pill chosen' : 'pill'}
                  onClick={() => set({ edge: idOf(each), column: '' })}
                >
                  {each.from} → {each.to}
                </button>
              ))}
            </div>
            {way && <Way way={way} column={column} />}
            {edge && <ColumnFlow edge={edge} />}
          </>
        );
      }}
    </Loaded>
  );
}
