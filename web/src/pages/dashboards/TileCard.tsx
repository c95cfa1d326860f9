// A tile: what it shows, what can be done with it, and what a click on a mark offers.
import { Menu } from '@mantine/core';
import { useCallback, useEffect, useMemo, useRef, useState, type CSSProperties } from 'react';
import { useTile } from '../../api/queries';
import type { Dashboard, Tile, TileData } from '../../api/types';
import type { Picture } from '../../design/chart';
import { cellText } from '../../design/format';
import { Icon } from '../../design/icons';
import { Loaded } from '../../design/states';
import type { Chosen } from './chosen';
import type { Picked } from './Kinds';
import { Markdown } from './Markdown';
import { TileContent } from './TileContent';
import { TileMenu } from './TileMenu';

// The mark that a row of the result is, as the address and the API say it.
export function markOf(tile: Tile, data: TileData, row: number): string {
  const value = (column: number) => {
    const cell = data.rows[row]?.[column];
    return cell === null || cell === undefined ? null : cellText(cell);
  };
  return JSON.stringify(tile.dimensions.map((column) => [column, value(column)]));
}

interface MarkMenuProps {
  tile: Tile;
  data: TileData;
  picked: Picked;
  chosen: Chosen;
  onClose: () => void;
}

// What a click on a bar, point or cell offers.
function MarkMenu({ tile, data, picked, chosen, onClose }: MarkMenuProps) {
  const row = data.rows[picked.row] ?? [];
  const sources = tile.dimensions.filter((column) => data.columns[column]?.source);
  return (
    <Menu opened onClose={onClose} position="bottom-start" shadow="md" width={240} withinPortal>
      <Menu.Target>
        <span className="mark-place" style={{ left: picked.x, top: picked.y }} />
      </Menu.Target>
      <Menu.Dropdown>
        {sources.map((column) => {
          const { source, name } = data.columns[column]!;
          const value = row[column] === null ? null : cellText(row[column]);
          return (
            <Menu.Item key={column} onClick={() => chosen.only(source!, value)}>
              Only {name} = {value ?? 'NULL'}
            </Menu.Item>
          );
        })}
        <Menu.Item onClick={() => chosen.setOwn({ tile: String(tile.index), mark: markOf(tile, data, picked.row) })}>
          {tile.dimensions.length > 0 ? 'The rows behind it' : 'What is behind it'}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

interface TileProps {
  dashboard: Dashboard;
  tile: Tile;
  style: CSSProperties;
  chosen: Chosen;
}

function TextCard({ tile, style }: Pick<TileProps, 'tile' | 'style'>) {
  return (
    <section className="tile text" style={style} aria-label={tile.title || 'Text'}>
      {tile.title && <h2 className="tile-title">{tile.title}</h2>}
      <div className="tile-body" tabIndex={0}>
        <Markdown text={tile.look.text ?? ''} />
      </div>
    </section>
  );
}

const kNearPx = 600;
const kIdleMsMax = 500;

// Not every browser tells when it is idle.
function whenIdle(work: () => void): () => void {
  if (typeof window.requestIdleCallback !== 'function') {
    const timer = window.setTimeout(work, kIdleMsMax);
    return () => window.clearTimeout(timer);
  }
  const idle = window.requestIdleCallback(work, { timeout: kIdleMsMax });
  return () => window.cancelIdleCallback(idle);
}

// Whether it is to be drawn: what is seen at once, what is near when there is nothing else to do; farther ones have
// their data, but are drawn when somebody scrolls there.
function useNear() {
  const place = useRef<HTMLElement>(null);
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    let forget: (() => void) | null = null;
    const draw = () => {
      setNear(true);
      seen.disconnect();
      near.disconnect();
    };
    const watch = (margin: number, then: () => void) =>
      new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && then(), {
        root: place.current!.closest('.page'),
        rootMargin: `${margin}px`,
      });
    const seen = watch(0, draw);
    const near = watch(kNearPx, () => (forget ??= whenIdle(draw)));
    seen.observe(place.current!);
    near.observe(place.current!);
    return () => {
      forget?.();
      seen.disconnect();
      near.disconnect();
    };
  }, []);
  return [place, isNear] as const;
}

function DataCard({ dashboard, tile, style, chosen }: TileProps) {
  const data = useTile(dashboard, tile.index, chosen.query);
  const [picked, setPicked] = useState<Picked | null>(null);
  const picture = useRef<Picture | null>(null);
  const [getPicture, keepPicture] = useMemo(
    () => [() => picture.current, (made: Picture | null) => void (picture.current = made)] as const,
    [],
  );
  const [asTable, setAsTable] = useState(false);
  const [place, isNear] = useNear();
  const open = useCallback(() => chosen.setOwn({ tile: String(tile.index), mark: null }), [chosen, tile.index]);
  const ignored = data.data?.filters_ignored ?? [];
  const isNumber = tile.kind === 'number';
  return (
    <section
      ref={place}
      className={`tile ${tile.kind}`}
      style={style}
      aria-label={tile.title}
      aria-busy={data.isFetching}
    >
      <header>
        <button type="button" className="tile-title" onClick={open} title={tile.description || 'What is behind it'}>
          {tile.title}
        </button>
        <TileMenu
          tile={tile}
          data={data.data}
          picture={getPicture}
          asTable={asTable}
          onTable={() => setAsTable(!asTable)}
          onOpen={open}
        />
      </header>
      <div className="tile-body" onClick={isNumber ? open : undefined}>
        <Loaded query={data} lines={isNumber ? 1 : 4}>
          {(loaded) =>
            isNear && (
              <TileContent
                dashboard={dashboard}
                tile={tile}
                data={loaded}
                asTable={asTable}
                onPick={setPicked}
                onDrawn={keepPicture}
              />
            )
          }
        </Loaded>
      </div>
      {picked && data.data && (
        <MarkMenu tile={tile} data={data.data} picked={picked} chosen={chosen} onClose={() => setPicked(null)} />
      )}
      {ignored.length > 0 && (
        <p className="tile-note">
          <Icon name="warning" size={14} />
          {ignored.map((name) => name.split('.').slice(2).join('.') || name).join(', ')}{' '}
          {ignored.length === 1 ? 'does' : 'do'} not apply here
        </p>
      )}
      {data.data?.truncated && <p className="tile-note">Only the first {data.data.rows.length} rows are shown.</p>}
    </section>
  );
}

export function TileCard(props: TileProps) {
  return props.tile.kind === 'text' ? <TextCard {...props} /> : <DataCard {...props} />;
}
