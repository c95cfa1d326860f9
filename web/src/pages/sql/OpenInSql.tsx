// A button to the SQL page that runs its text there.
import { Button } from '@mantine/core';
import { Link } from 'wouter';
import { Icon } from '../../design/icons';
import { hrefOfQuery } from '../catalog/names';
import { kRun } from './store';

export function OpenInSql({ sql, children }: { sql: string; children: string }) {
  return (
    <Button
      renderRoot={(props) => <Link {...props} href={hrefOfQuery(sql)} state={kRun} />}
      leftSection={<Icon name="code" size={16} />}
    >
      {children}
    </Button>
  );
}
