// What can be done with a tile: see what is behind it, see it as a table, take it along.
import { ActionIcon, Menu } from '@mantine/core';
import { useLocation } from 'wouter';
import type { Tile, TileData } from '../../api/types';
import type { Picture } from '../../design/chart';
import { copyText } from '../../design/copy';
import { toCsv } from '../../design/format';
import { Icon } from '../../design/icons';
import { hrefOfQuery } from '../catalog/names';
import { kRun } from '../sql/store';

export const csvOf = (data: TileData): string =>
  toCsv(
    data.columns.map((column) => column.name),
    data.rows,
  );

function save(address: string, name: string): void {
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
}

// A title as a file's name, without what a system could take for a path or a hidden file.
export const fileName = (title: string, ending: string): string =>
  `${
    title
      .replace(/[^\p{L}\p{N} _-]+/gu, ' ')
      .trim()
      .slice(0, 80) || 'tile'
  }.${ending}`;

function saveCsv(tile: Tile, data: TileData): void {
  const address = URL.createObjectURL(new Blob([csvOf(data)], { type: 'text/csv;charset=utf-8' }));
  save(address, fileName(tile.title, 'csv'));
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

interface TileMenuProps {
  tile: Tile;
  data: TileData | undefined;
  picture: Picture | null;
  asTable: boolean;
  onTable: () => void;
  onOpen: () => void;
}

export function TileMenu({ tile, data, picture, asTable, onTable, onOpen }: TileMenuProps) {
  const [, navigate] = useLocation();
  return (
    <Menu position="bottom-end" shadow="md" width={220}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`What is behind ${tile.title}`}>
          <Icon name="more" size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={onOpen}>What is behind it</Menu.Item>
        {tile.kind !== 'table' && (
          <Menu.Item onClick={onTable}>{asTable ? `Show as ${tile.kind}` : 'Show as table'}</Menu.Item>
        )}
        <Menu.Item onClick={() => navigate(hrefOfQuery(data?.sql ?? tile.sql), { state: kRun })}>Open in SQL</Menu.Item>
        {tile.reads.map((read) => (
          <Menu.Item key={read} onClick={() => navigate(`/catalog/${read.replace('.', '/')}?tab=lineage`)}>
            Lineage of {read}
          </Menu.Item>
        ))}
        {data && <Menu.Item onClick={() => void copyText(csvOf(data))}>Copy as CSV</Menu.Item>}
        {data && <Menu.Item onClick={() => saveCsv(tile, data)}>Save as CSV</Menu.Item>}
        {picture && !asTable && (
          <Menu.Item onClick={() => save(picture.png(), fileName(tile.title, 'png'))}>Save as PNG</Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
