// Roles, and what each allows and denies.
import { Link } from 'wouter';
import { useRoles } from '../../api/queries';
import type { Role, Statement } from '../../api/types';
import { Section } from '../../design/page';
import { Empty, Loaded } from '../../design/states';
import { Status } from '../../design/status';
import { Table } from '../../design/table';

interface Line {
  effect: 'allow' | 'deny';
  statement: Statement;
}

function linesOf(role: Role): Line[] {
  return [
    ...role.deny.map((statement): Line => ({ effect: 'deny', statement })),
    ...role.allow.map((statement): Line => ({ effect: 'allow', statement })),
  ];
}

function RoleSection({ role }: { role: Role }) {
  const who = [...new Set([...role.members, ...role.users])];
  return (
    <Section
      title={role.name}
      note={who.length ? `held by ${who.join(', ')}` : 'held by nobody'}
      action={
        role.file ? (
          <Link href={`/workspace?file=${encodeURIComponent(role.file)}`}>{role.file}</Link>
        ) : (
          <span className="faint small">{role.owner}</span>
        )
      }
    >
      {role.description && <p className="pad soft">{role.description}</p>}
      {linesOf(role).length > 0 && (
        <Table
          label={`Statements of ${role.name}`}
          rows={linesOf(role)}
          keyOf={(line) => JSON.stringify(line)}
          columns={[
            {
              key: 'effect',
              title: 'Effect',
              cell: (line) => <Status name={line.effect === 'allow' ? 'healthy' : 'denied'} word={line.effect} />,
            },
            { key: 'actions', title: 'Actions', data: true, cell: (line) => line.statement.actions.join(', ') },
            {
              key: 'resources',
              title: 'On',
              data: true,
              wide: true,
              cell: (line) => line.statement.resources.join(', '),
            },
          ]}
        />
      )}
    </Section>
  );
}

export function Roles() {
  const roles = useRoles();
  return (
    <Loaded query={roles}>
      {(list) =>
        list.length === 0 ? (
          <Empty title="No roles">Write one into policies/*.yaml and apply the workspace.</Empty>
        ) : (
          <div className="stack wide-gap">
            {list.map((role) => (
              <RoleSection key={role.name} role={role} />
            ))}
          </div>
        )
      }
    </Loaded>
  );
}
