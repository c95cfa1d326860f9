// Lineage of a dataset, both ways; the columns that flow along a chosen edge.
import { Select } from '@mantine/core';
import { useLocation, useSearchParams } from 'wouter';
import { useLineage, useOverview } from '../../api/queries';
import type { Lineage, LineageEdge, NodeKind } from '../../api/types';
import { DataFlow, type FlowNode } from '../../design/flow';
import { Empty, Loaded } from '../../design/states';
import { Table } from '../../design/table';

const kDepths = ['1', '2', '3', '5', '10'];

const idOf = (edge: LineageEdge): string => `${edge.from}→${edge.to}`;

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
  const set = (name_: string, value: string) =>
    setParameters((old) => {
      const changed = new URLSearchParams(old);
      changed.set(name_, value);
      return changed;
    });
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
                Choose an arrow to see the columns that flow along it, a card to go there
              </span>
              <Select
                aria-label="Steps"
                w={110}
                data={kDepths.map((value) => ({ value, label: `${value} ${value === '1' ? 'step' : 'steps'}` }))}
                value={String(depth)}
                allowDeselect={false}
                onChange={(value) => value && set('depth', value)}
              />
            </div>
            <DataFlow
              label={`Lineage of ${schema}.${name}`}
              nodes={nodes}
              edges={data.edges}
              chosenNode={`${schema}.${name}`}
              chosenEdge={chosen}
              onNode={(node) => navigate(`/catalog/${node.id.replace('.', '/')}?tab=lineage`)}
              onEdge={(id) => set('edge', id)}
            />
            <div className="row pad">
              {data.edges.map((each) => (
                <button
                  key={idOf(each)}
                  type="button"
                  className={each === edge ? 'pill chosen' : 'pill'}
                  onClick={() => set('edge', idOf(each))}
                >
                  {each.from} → {each.to}
                </button>
              ))}
            </div>
            {edge && <ColumnFlow edge={edge} />}
          </>
        );
      }}
    </Loaded>
  );
}
