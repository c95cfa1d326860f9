// The frame around every page: the left rail, the finder, the keys.
import {
  Menu,
  Modal,
  Tooltip,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
  VisuallyHidden,
} from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useState, type ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { logout, useLiveness, useMe, useOverview } from '../api/queries';
import { ApiError } from '../api/client';
import type { Liveness } from '../api/events';
import { Icon } from '../design/icons';
import { Ago } from '../design/time';
import { Finder } from './Finder';
import { useKeys } from './keys';
import { isAt, places, type Place } from './places';

function RailLink({ place, folded, count }: { place: Place; folded: boolean; count: number }) {
  const [location] = useLocation();
  const here = isAt(place, location);
  return (
    <Tooltip label={`${place.title} · g ${place.key}`} position="right" disabled={!folded}>
      <Link
        href={place.href}
        className="rail-link"
        aria-current={here ? 'page' : undefined}
        aria-label={count > 0 ? undefined : place.title}
      >
        <Icon name={place.icon} />
        <span className="rail-text">{place.title}</span>
        {count > 0 && (
          <span className="rail-count">
            {count}
            <VisuallyHidden> need attention</VisuallyHidden>
          </span>
        )}
        <kbd className="rail-key">g {place.key}</kbd>
      </Link>
    </Tooltip>
  );
}

export function ThemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const next = scheme === 'dark' ? 'light' : 'dark';
  return (
    <Tooltip label={`Switch to ${next}`}>
      <UnstyledButton className="rail-button" onClick={() => setColorScheme(next)} aria-label={`Switch to ${next}`}>
        <Icon name={scheme === 'dark' ? 'sun' : 'moon'} />
      </UnstyledButton>
    </Tooltip>
  );
}

function Person() {
  const me = useMe();
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const leave = () =>
    void logout().finally(() => {
      client.clear();
      navigate('/login');
    });
  return (
    <Menu position="right-end" shadow="md" width={220}>
      <Menu.Target>
        <UnstyledButton className="rail-button person" aria-label={`You, ${me.data?.name}`}>
          <Icon name="user" />
          <span className="rail-text">{me.data?.name}</span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {me.data?.name} {me.data?.roles.length ? `· ${me.data.roles.join(', ')}` : ''}
        </Menu.Label>
        <Menu.Item onClick={() => navigate('/access?tab=tokens')}>Your tokens</Menu.Item>
        <Menu.Item onClick={() => navigate('/access?tab=s3')}>Your S3 keys</Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<Icon name="out" size={16} />} onClick={leave}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function KeysHelp({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const general: [string, string][] = [
    ['Ctrl K  or  /', 'Find anything'],
    ['?', 'These keys'],
    ['Ctrl Enter', 'Run the SQL'],
  ];
  return (
    <Modal opened={opened} onClose={onClose} title="Keys">
      <dl className="keys">
        {[...general, ...places.map((place): [string, string] => [`g ${place.key}`, place.title])].map(
          ([key, what]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ),
        )}
      </dl>
    </Modal>
  );
}

const kLiveness: Record<Liveness, string> = {
  connecting: 'Connecting to the stream of changes',
  live: 'Changes arrive as they happen',
  polling: 'Asking every few seconds',
};

function Rail({ folded, fold, openFinder }: { folded: boolean; fold: () => void; openFinder: () => void }) {
  const overview = useOverview();
  const liveness = useLiveness();
  const failing = overview.data?.attention.length ?? 0;
  return (
    <nav className="rail" aria-label="Places">
      <div className="rail-top">
        <Link href="/" className="brand" title="Home">
          <img src="/favicon.svg" alt="" width={24} height={24} />
          <span className="rail-text">
            Tarn<small>{overview.data?.name}</small>
          </span>
        </Link>
        <UnstyledButton
          className="rail-button fold"
          onClick={fold}
          aria-label={folded ? 'Unfold the rail' : 'Fold the rail'}
        >
          <Icon name="panel" />
        </UnstyledButton>
      </div>
      <UnstyledButton className="finder-button" onClick={openFinder} aria-label="Find Ctrl K">
        <Icon name="search" size={16} />
        <span className="rail-text">Find</span> <kbd>Ctrl K</kbd>
      </UnstyledButton>
      <div className="rail-places">
        {places.map((place, index) => {
          const starts = place.group !== (places[index - 1]?.group ?? '');
          return (
            <div key={place.href}>
              {starts && <div className="rail-group">{place.group}</div>}
              <RailLink place={place} folded={folded} count={place.href === '/' ? failing : 0} />
            </div>
          );
        })}
      </div>
      <div className="rail-bottom">
        <span className="live rail-text" title={kLiveness[liveness]}>
          <i className={liveness === 'live' ? 'dot on' : 'dot'} />
          {liveness !== 'connecting' && liveness}
        </span>
        <Person />
        <ThemeSwitch />
      </div>
    </nav>
  );
}

// Pages keep what they have when the server goes away: this says that it is not of now.
function Gone() {
  const overview = useOverview();
  if (!(overview.error instanceof ApiError) || overview.error.status !== 0) return null;
  return (
    <p className="gone" role="status">
      <Icon name="warning" size={16} />
      <span>
        Tarn does not answer. What you see is from{' '}
        <Ago time={overview.dataUpdatedAt ? new Date(overview.dataUpdatedAt).toISOString() : null} />; it is asked again
        every few seconds.
      </span>
    </p>
  );
}

export function Shell({ children }: { children: ReactNode }) {
  const [folded, setFolded] = useLocalStorage({
    key: 'tarn.rail',
    defaultValue: false,
    getInitialValueInEffect: false,
  });
  const [finding, setFinding] = useState(false);
  const [helping, setHelping] = useState(false);
  const openFinder = useCallback(() => setFinding(true), []);
  const openHelp = useCallback(() => setHelping(true), []);
  useKeys(openFinder, openHelp);
  return (
    <div className={folded ? 'shell folded' : 'shell'}>
      <a href="#content" className="skip">
        Skip to the content
      </a>
      <Rail folded={folded} fold={() => setFolded(!folded)} openFinder={openFinder} />
      <div className="content">
        <Gone />
        {children}
      </div>
      {finding && <Finder onClose={() => setFinding(false)} />}
      <KeysHelp opened={helping} onClose={() => setHelping(false)} />
    </div>
  );
}
