// The dashboard as it is chosen now, as a file: made by the server of what the viewer may see.
import { Button, Menu } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import { ApiError, getFile, path } from '../../api/client';
import type { Dashboard } from '../../api/types';
import { Icon } from '../../design/icons';
import { queryOf } from './chosen';
import { save } from './TileMenu';

const kFormats = [
  ['pdf', 'PDF, by pages'],
  ['png', 'PNG, one picture'],
] as const;

export function Download({ dashboard }: { dashboard: Dashboard }) {
  const [isMaking, setMaking] = useState(false);
  const make = async (format: string) => {
    setMaking(true);
    try {
      const chosen = queryOf(new URLSearchParams(location.search), dashboard);
      const file = await getFile(path`/dashboards/${dashboard.use_case}/${dashboard.name}/download/${format}` + chosen);
      const address = URL.createObjectURL(file);
      save(address, `${dashboard.use_case}.${dashboard.name}.${format}`);
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    } catch (error) {
      const hint = error instanceof ApiError && error.hint ? ` ${error.hint}.` : '';
      const message = (error instanceof Error ? error.message : String(error)) + hint;
      notifications.show({ color: 'red', title: 'It could not be made', message });
    } finally {
      setMaking(false);
    }
  };
  return (
    <Menu position="bottom-end" shadow="md">
      <Menu.Target>
        <Button variant="default" loading={isMaking} leftSection={<Icon name="download" size={16} />}>
          Download
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {kFormats.map(([format, label]) => (
          <Menu.Item key={format} onClick={() => void make(format)}>
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
