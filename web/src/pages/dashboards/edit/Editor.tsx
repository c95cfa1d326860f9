// A dashboard being edited: its YAML is what is edited, by the tiles' handles, by a form, or as text; what it shows is
// asked of the server as it will be.
import { ActionIcon, Button, SegmentedControl, Textarea, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useRef, useState, type PointerEvent } from 'react';
import { useDraftTile, usePreviewOfDashboard } from '../../../api/queries';
import type { Dashboard, DashboardIssue, Tile } from '../../../api/types';
import { ErrorState, Loaded } from '../../../design/states';
import { kColumns, kGapPx, kRowPx, heightOf, widthsOf } from '../layout';
import { Markdown } from '../Markdown';
import { TileContent } from '../TileContent';
import { SaveBar } from './SaveBar';
import { TileForm } from './TileForm';
import { tileValues, withMoved, withNewTile, withoutTile, withTile, withTop, type TileValues } from './yaml';

const kSettleMs = 400;

interface DraftTileProps {
  dashboard: Dashboard;
  text: string;
  tile: Tile;
}

function DraftContent({ dashboard, text, tile }: DraftTileProps) {
  const asked = tile.sql === '' ? '' : JSON.stringify([tile.sql, dashboard.filters, dashboard.time_zone]);
  const data = useDraftTile({ use_case: dashboard.use_case, name: dashboard.name, text }, tile.index, asked);
  if (tile.kind === 'text') return <Markdown text={tile.look.text ?? ''} />;
  return (
    <Loaded query={data} lines={tile.kind === 'number' ? 1 : 4}>
      {(loaded) => <TileContent dashboard={dashboard} tile={tile} data={loaded} />}
    </Loaded>
  );
}

interface Handles {
  onEdit: () => void;
  onRemove: () => void;
  onMove: (to: number) => void;
  onSize: (width: number, height: number) => void;
}

const within = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));

// The corner that is pulled: to whole columns and rows.
function Corner({
  width,
  height,
  title,
  isBehind,
  onSize,
}: {
  width: number;
  height: number;
  title: string;
  isBehind: boolean;
  onSize: Handles['onSize'];
}) {
  const start = useRef<{ x: number; y: number; column: number } | null>(null);
  const down = (event: PointerEvent<HTMLDivElement>) => {
    const grid = event.currentTarget.closest('.tiles')!.clientWidth;
    start.current = { x: event.clientX, y: event.clientY, column: (grid + kGapPx) / kColumns };
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const up = (event: PointerEvent<HTMLDivElement>) => {
    if (!start.current) return;
    const { x, y, column } = start.current;
    start.current = null;
    const columns = within(width + Math.round((event.clientX - x) / column), 1, kColumns);
    const rows = within(height + Math.round((event.clientY - y) / (kRowPx + kGapPx)), 1, 30);
    if (!isBehind && (columns !== width || rows !== height)) onSize(columns, rows);
  };
  return (
    <div className="tile-corner" title={`Pull to resize ${title}`} onPointerDown={down} onPointerUp={up} aria-hidden />
  );
}

interface EditedTileProps extends DraftTileProps, Handles {
  isBehind: boolean;
  place: number;
  count: number;
  width: number;
}

function EditedTile(props: EditedTileProps) {
  const { tile, place, count, width, onMove, onSize } = props;
  const height = heightOf(tile);
  const name = tile.title || tile.kind;
  const button = (label: string, sign: string, onClick: () => void, disabled = false) => (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="sm"
      aria-label={`${label} ${name}`}
      title={label}
      disabled={disabled || props.isBehind}
      onClick={onClick}
    >
      {sign}
    </ActionIcon>
  );
  return (
    <section
      className={`tile ${tile.kind} edited`}
      style={{ gridColumn: `span ${width}`, gridRow: `span ${height}` }}
      aria-label={name}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        const from = Number(event.dataTransfer.getData('text/x-tile'));
        if (event.dataTransfer.types.includes('text/x-tile') && from !== place && !props.isBehind) onMove(-1 - from);
      }}
    >
      <header draggable onDragStart={(event) => event.dataTransfer.setData('text/x-tile', String(place))}>
        <span className="tile-title">{name}</span>
        <span className="tile-handles">
          {button('Earlier', '←', () => onMove(place - 1), place === 0)}
          {button('Later', '→', () => onMove(place + 1), place === count - 1)}
          {button('Narrower', '⇤', () => onSize(width - 1, height), width <= 1)}
          {button('Wider', '⇥', () => onSize(width + 1, height), width >= kColumns)}
          {button('Lower', '↥', () => onSize(width, height - 1), height <= 1)}
          {button('Higher', '↧', () => onSize(width, height + 1), height >= 30)}
          {button('Edit', '✎', props.onEdit)}
          {button('Remove', '×', props.onRemove)}
        </span>
      </header>
      <div className="tile-body">
        <DraftContent dashboard={props.dashboard} text={props.text} tile={tile} />
      </div>
      <Corner width={width} height={height} title={name} isBehind={props.isBehind} onSize={onSize} />
    </section>
  );
}

function Issues({ issues }: { issues: DashboardIssue[] }) {
  if (issues.length === 0) return null;
  return (
    <ul className="draft-issues" role="alert">
      {issues.map((issue, index) => (
        <li key={index}>
          line {issue.line}: {issue.message}
        </li>
      ))}
    </ul>
  );
}

interface BoardProps {
  draft: Dashboard;
  text: string;
  isBehind: boolean; // what is shown is not yet what the text says
  setText: (text: string) => void;
}

function Board({ draft, text, isBehind, setText }: BoardProps) {
  const [edited, setEdited] = useState<number | 'new' | null>(null);
  const widths = widthsOf(draft.tiles);
  const save = (changes: TileValues) => {
    setText(edited === 'new' ? withNewTile(text, changes) : withTile(text, edited ?? 0, changes));
    setEdited(null);
  };
  return (
    <>
      <div className="tiles">
        {draft.tiles.map((tile, place) => (
          <EditedTile
            key={tile.index}
            dashboard={draft}
            text={text}
            tile={tile}
            place={place}
            count={draft.tiles.length}
            width={widths[place] ?? 6}
            isBehind={isBehind}
            onEdit={() => setEdited(place)}
            onRemove={() => setText(withoutTile(text, place))}
            onMove={(to) => setText(to < 0 ? withMoved(text, -1 - to, place) : withMoved(text, place, to))}
            onSize={(width, height) => setText(withTile(text, place, { width, height }))}
          />
        ))}
        <button type="button" className="tile-add" onClick={() => setEdited('new')}>
          + Add a tile
        </button>
      </div>
      {edited !== null && (
        <TileForm
          key={String(edited)}
          values={edited === 'new' ? { bar: '' } : tileValues(text, edited)}
          isNew={edited === 'new'}
          onSave={save}
          onClose={() => setEdited(null)}
        />
      )}
    </>
  );
}

export default function Editor({ dashboard, onDone }: { dashboard: Dashboard; onDone: () => void }) {
  const [text, setText] = useState(dashboard.text);
  const [past, setPast] = useState<string[]>([]);
  const [view, setView] = useState('tiles');
  const [debounced] = useDebouncedValue(text, kSettleMs);
  const [isTyped, setTyped] = useState(false); // what a handle did is shown at once, what is typed when it rests
  const settled = isTyped ? debounced : text;
  const preview = usePreviewOfDashboard({ use_case: dashboard.use_case, name: dashboard.name, text: settled });
  const change = (next: string, typed = false) => {
    if (next === text) return;
    setTyped(typed);
    setPast((old) => [...old.slice(-99), text]);
    setText(next);
  };
  const issues = preview.data?.issues ?? [];
  return (
    <div className="stack wide-gap">
      <SaveBar dashboard={dashboard} text={text} hasIssues={issues.length > 0} onDone={onDone}>
        <SegmentedControl
          aria-label="What is edited"
          value={view}
          onChange={setView}
          data={[
            { value: 'tiles', label: 'Tiles' },
            { value: 'yaml', label: 'YAML' },
          ]}
        />
        <Button
          variant="default"
          disabled={past.length === 0}
          onClick={() => {
            setTyped(false);
            setText(past.at(-1)!);
            setPast(past.slice(0, -1));
          }}
        >
          Undo
        </Button>
      </SaveBar>
      <Issues issues={issues} />
      {preview.isError && <ErrorState error={preview.error} />}
      {view === 'yaml' ? (
        <Textarea
          size="xs"
          label="The dashboard as YAML"
          autosize
          minRows={20}
          classNames={{ input: 'data-text' }}
          value={text}
          onChange={(event) => change(event.currentTarget.value, true)}
        />
      ) : (
        <>
          {preview.data && (
            <TextInput
              label="Title"
              className="draft-title"
              value={preview.data.dashboard.title}
              onChange={(event) =>
                event.currentTarget.value && change(withTop(text, 'title', event.currentTarget.value), true)
              }
            />
          )}
          <Loaded query={preview}>
            {({ dashboard: draft }) => (
              <Board
                draft={draft}
                text={text}
                isBehind={preview.isPlaceholderData || settled !== text}
                setText={change}
              />
            )}
          </Loaded>
        </>
      )}
    </div>
  );
}
