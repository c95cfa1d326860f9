// What can be done with a tile: see what is behind it, see it as a table, take it along.
import { ActionIcon, Menu } from '@mantine/core';
import { useState } from 'react';
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

export function save(address: string, name: string): void {
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
  picture: () => Picture | null; // asked when somebody wants it
  asTable: boolean;
  onTable: () => void;
  onOpen: () => void;
}

// A menu costs more to make than a small chart to draw: there is one where somebody asked for it.
export function TileMenu(props: TileMenuProps) {
  const [isAsked, setAsked] = useState(false);
  if (isAsked) return <OpenedMenu {...props} />;
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={`What is behind ${props.tile.title}`}
      aria-haspopup="menu"
      onClick={() => setAsked(true)}
    >
      <Icon name="more" size={16} />
    </ActionIcon>
  );
}

const kDrawnKinds = ['line', 'area', 'bar', 'scatter', 'heatmap', 'map'];

function OpenedMenu({ tile, data, picture, asTable, onTable, onOpen }: TileMenuProps) {
  const [, navigate] = useLocation();
  const savePng = () => {
    const drawn = picture();
    if (drawn) save(drawn.png(), fileName(tile.title, 'png'));
  };
  return (
    <Menu position="bottom-end" shadow="md" width={220} defaultOpened>
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
        {data && kDrawnKinds.includes(tile.kind) && !asTable && <Menu.Item onClick={savePng}>Save as PNG</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  );
}
