// Ctrl-K: finds tables, topics, dashboards, sources, runs, people, pages and actions by any part of their name.
import { Modal, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { useLocation } from 'wouter';
import { useCatalog, useDashboards, useMe, useRuns, useSources, useTopics, useUsers } from '../api/queries';
import { Icon, type IconName } from '../design/icons';
import { lookOf } from '../design/status';
import { scoreOf } from './match';
import { places } from './places';

interface Finding {
  key: string;
  title: string;
  note: string;
  group: string;
  icon: IconName;
  go: () => void;
}

const kShown = 40;

type Go = (href: string) => () => void;

function actionsOf(at: Go, scheme: string, setColorScheme: (scheme: 'dark' | 'light') => void): Finding[] {
  return [
    {
      key: 'action:theme',
      title: `Switch to ${scheme === 'dark' ? 'light' : 'dark'}`,
      note: 'theme',
      group: 'Actions',
      icon: scheme === 'dark' ? 'sun' : 'moon',
      go: () => setColorScheme(scheme === 'dark' ? 'light' : 'dark'),
    },
    {
      key: 'action:plan',
      title: 'Plan and apply the workspace',
      note: '',
      group: 'Actions',
      icon: 'folder',
      go: at('/workspace?plan=1'),
    },
    {
      key: 'action:token',
      title: 'Create a token',
      note: '',
      group: 'Actions',
      icon: 'access',
      go: at('/access?tab=tokens'),
    },
  ];
}

function useFindings(): Finding[] {
  const [, navigate] = useLocation();
  const catalog = useCatalog();
  const dashboards = useDashboards();
  const runs = useRuns({ task: '', state: '', before: '', limit: 30 });
  const me = useMe();
  const sources = useSources();
  const topics = useTopics();
  const users = useUsers(me.data?.admin === true); // others may not list them
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  return useMemo(() => {
    const at = (href: string) => () => navigate(href);
    const pages = places.map((place): Finding => ({
      key: place.href,
      title: place.title,
      note: `g ${place.key}`,
      group: 'Pages',
      icon: place.icon,
      go: at(place.href),
    }));
    const tables = (catalog.data ?? []).map((dataset): Finding => ({
      key: `table:${dataset.schema}.${dataset.name}`,
      title: `${dataset.schema}.${dataset.name}`,
      note: dataset.description,
      group: 'Tables',
      icon: dataset.kind === 'raw' ? 'raw' : dataset.kind === 'system' ? 'system' : 'table',
      go: at(`/catalog/${dataset.schema}/${dataset.name}`),
    }));
    const boards = (dashboards.data ?? []).map((board): Finding => ({
      key: `dashboard:${board.use_case}.${board.name}`,
      title: board.title,
      note: `${board.use_case}.${board.name}`,
      group: 'Dashboards',
      icon: 'dashboard',
      go: at(`/dashboards/${board.use_case}/${board.name}`),
    }));
    const recent = (runs.data ?? []).map((run): Finding => ({
      key: `run:${run.id}`,
      title: run.task,
      note: `run ${run.id} · ${lookOf(run.state).word}`,
      group: 'Runs',
      icon: lookOf(run.state).icon,
      go: at(`/runs/${run.id}`),
    }));
    const comes = (sources.data ?? []).map((source): Finding => ({
      key: `source:${source.name}`,
      title: source.name,
      note: source.description || source.kind,
      group: 'Sources',
      icon: 'source',
      go: at(`/sources?source=${encodeURIComponent(source.name)}`),
    }));
    const logs = (topics.data ?? []).map((topic): Finding => ({
      key: `topic:${topic.name}`,
      title: topic.name,
      note: 'topic',
      group: 'Topics',
      icon: 'topic',
      go: at(`/topics/${encodeURIComponent(topic.name)}`),
    }));
    const people = (users.data ?? []).map((user): Finding => ({
      key: `user:${user.name}`,
      title: user.name,
      note: user.roles.join(', ') || 'no role',
      group: 'People',
      icon: 'user',
      go: at(`/access?tab=users&user=${encodeURIComponent(user.name)}`),
    }));
    const actions = actionsOf(at, scheme, setColorScheme);
    return [...tables, ...boards, ...pages, ...logs, ...comes, ...people, ...actions, ...recent];
  }, [
    catalog.data,
    dashboards.data,
    runs.data,
    sources.data,
    topics.data,
    users.data,
    navigate,
    scheme,
    setColorScheme,
  ]);
}

function best(findings: Finding[], text: string): Finding[] {
  if (text.trim() === '') return findings.filter((each) => each.group === 'Pages' || each.group === 'Dashboards');
  return findings
    .map((finding) => ({ finding, score: scoreOf(text, finding.title, finding.note) }))
    .filter((each) => each.score > 0)
    .sort((left, right) => right.score - left.score)
    .slice(0, kShown)
    .map((each) => each.finding);
}

export function Finder({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const findings = useFindings();
  const found = useMemo(() => best(findings, text), [findings, text]);
  const chosen = Math.min(at, found.length - 1);
  useEffect(() => {
    list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);
  const go = (finding: Finding | undefined) => {
    if (!finding) return;
    onClose();
    finding.go();
  };
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step) {
      event.preventDefault();
      setAt(Math.max(0, Math.min(found.length - 1, chosen + step)));
    } else if (event.key === 'Enter') {
      event.preventDefault();
      go(found[chosen]);
    }
  };
  return (
    <Modal opened onClose={onClose} withCloseButton={false} padding={0} size={620} centered={false} yOffset="12vh">
      <div className="finder" onKeyDown={onKey}>
        <label className="finder-input">
          <Icon name="search" />
          <input
            data-autofocus
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              setAt(0);
            }}
            placeholder="Tables, topics, dashboards, sources, runs, people, pages"
            aria-label="Find"
            role="combobox"
            aria-expanded="true"
            aria-controls="finder-list"
            aria-activedescendant={chosen >= 0 ? `finding-${chosen}` : undefined}
          />
          <kbd>Esc</kbd>
        </label>
        <ul ref={list} id="finder-list" role="listbox" aria-label="Found">
          {found.map((finding, index) => (
            <li
              key={finding.key}
              id={`finding-${index}`}
              role="option"
              aria-selected={index === chosen}
              onMouseMove={() => setAt(index)}
              onClick={() => go(finding)}
            >
              <Icon name={finding.icon} size={16} />
              <span className="finding-title">{finding.title}</span>
              <span className="finding-note">{finding.note}</span>
              <span className="finding-group">{finding.group}</span>
            </li>
          ))}
        </ul>
        {found.length === 0 && <p className="finder-none">Nothing is called “{text}”.</p>}
      </div>
    </Modal>
  );
}
