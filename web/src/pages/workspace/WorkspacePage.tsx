// Workspace: the files that are the platform, their issues, and plan and apply.
import { Button, Drawer } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useSearchParams } from 'wouter';
import { applyWorkspace, planWorkspace, useChange, useWorkspace } from '../../api/queries';
import type { Definition, Issue, Plan, Workspace } from '../../api/types';
import { SqlText } from '../../design/editor/SqlText';
import { plural } from '../../design/format';
import { Icon } from '../../design/icons';
import { Facts, Page, Section } from '../../design/page';
import { Empty, ErrorState, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';

function Issues({ issues }: { issues: Issue[] }) {
  return (
    <Section title="Issues" note={`${plural(issues.length, 'issue')}: nothing is applied while there are some`}>
      <ul className="attention">
        {issues.map((issue, index) => (
          <li key={index}>
            <Icon name="warning" />
            <div>
              <code>
                {issue.file}
                {issue.line > 0 && `:${issue.line}`}
                {issue.column > 0 && `:${issue.column}`}
              </code>
              <p>{issue.message}</p>
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

const kChanges: Record<string, string> = {
  add: 'ok',
  create: 'ok',
  change: 'running',
  update: 'running',
  rename: 'running',
  remove: 'failed',
  delete: 'failed',
};

function PlanSection({ plan, onApply, applying }: { plan: Plan; onApply: () => void; applying: boolean }) {
  const removed = plan.steps.filter((step) => kChanges[step.change] === 'failed').length;
  return (
    <Section
      title="Plan"
      note={
        plan.steps.length
          ? `${plural(plan.steps.length, 'change')} against what is applied`
          : 'the files and the platform agree'
      }
      action={
        plan.steps.length > 0 && (
          <Button loading={applying} disabled={plan.issues.length > 0} onClick={onApply}>
            {removed > 0 ? `Apply, removing ${removed}` : 'Apply'}
          </Button>
        )
      }
    >
      {plan.steps.length === 0 ? (
        <Empty title="Nothing would change">Edit a file of the workspace and plan again.</Empty>
      ) : (
        <Table
          label="Steps"
          rows={plan.steps}
          keyOf={(step) => `${step.kind}:${step.name}`}
          columns={[
            {
              key: 'change',
              title: 'Change',
              cell: (step) => <Status name={kChanges[step.change] ?? 'waiting'} word={step.change} />,
            },
            { key: 'kind', title: 'Kind', cell: (step) => step.kind },
            {
              key: 'name',
              title: 'Name',
              data: true,
              cell: (step) => (step.from ? `${step.from} → ${step.name}` : step.name),
            },
            { key: 'file', title: 'File', data: true, cell: (step) => step.file },
            { key: 'note', title: 'What follows', wide: true, cell: (step) => step.note ?? '' },
          ]}
        />
      )}
    </Section>
  );
}

function FileText({ definition }: { definition: Definition }) {
  const text = definition.text ?? '';
  if (!text) return <Empty title="The text is not at hand">It is in the workspace's directory.</Empty>;
  return definition.file.endsWith('.sql') ? <SqlText text={text} /> : <pre className="code-block">{text}</pre>;
}

function Files({ workspace }: { workspace: Workspace }) {
  const [parameters, setParameters] = useSearchParams();
  const chosen = parameters.get('file') ?? '';
  const definition = workspace.definitions.find((each) => each.file === chosen);
  const rows = [...workspace.definitions].sort((left, right) => left.file.localeCompare(right.file));
  return (
    <>
      <Section title="Files" note={`${plural(rows.length, 'definition')}, as applied`}>
        {rows.length === 0 ? (
          <Empty title="The workspace is empty" command="tarn demo flights">
            Sources, tables and dashboards are text files. A complete example to read and to run:
          </Empty>
        ) : (
          <Table
            label="Files"
            rows={rows}
            keyOf={(row) => `${row.kind}:${row.name}`}
            onOpen={(row) => setParameters({ file: row.file })}
            columns={[
              { key: 'file', title: 'File', data: true, cell: (row) => row.file },
              { key: 'kind', title: 'Kind', cell: (row) => row.kind },
              { key: 'name', title: 'Defines', data: true, narrow: true, cell: (row) => row.name },
              {
                key: 'description',
                title: 'What it is',
                wide: true,
                narrow: true,
                cell: (row) => <span className="soft">{row.description}</span>,
              },
            ]}
          />
        )}
      </Section>
      <Drawer size={720} opened={chosen !== ''} onClose={() => setParameters({})} title={<code>{chosen}</code>}>
        {chosen && !definition && (
          <Empty title="No such definition">It may have been renamed or not applied yet.</Empty>
        )}
        {definition && (
          <div className="stack drawer-sql">
            <p className="soft">{definition.description}</p>
            <FileText definition={definition} />
          </div>
        )}
      </Drawer>
    </>
  );
}

export default function WorkspacePage() {
  const workspace = useWorkspace();
  const [parameters] = useSearchParams();
  const plan = useMutation({ mutationFn: planWorkspace });
  const apply = useChange(
    async () => {
      const applied = await applyWorkspace();
      notifications.show({ message: `${plural(applied.steps.length, 'change')} applied.` });
      plan.reset();
      return applied;
    },
    'workspace',
    'catalog',
    'tasks',
    'overview',
    'dashboards',
    'sources',
  );
  const { mutate: makePlan } = plan;
  const asked = useRef(false);
  useEffect(() => {
    if (parameters.get('plan') && !asked.current) {
      asked.current = true;
      makePlan();
    }
  }, [parameters, makePlan]);
  const error = plan.error ?? apply.error;
  return (
    <Page
      title="Workspace"
      subtitle="The platform is a folder of text files. A change is planned, looked at, and applied."
      behind={{ api: '/workspace' }}
      action={
        <Button loading={plan.isPending} onClick={() => plan.mutate()}>
          Plan
        </Button>
      }
    >
      {error && <ErrorState error={error} />}
      {plan.data && <PlanSection plan={plan.data} applying={apply.isPending} onApply={() => apply.mutate(undefined)} />}
      <Loaded query={workspace}>
        {(data) => (
          <>
            <Facts
              facts={[
                ['Name', data.name],
                ['Directory', <code key="directory">{data.directory}</code>],
                ['Issues', String(data.issues.length)],
              ]}
            />
            {data.issues.length > 0 && <Issues issues={data.issues} />}
            <Files workspace={data} />
          </>
        )}
      </Loaded>
    </Page>
  );
}
