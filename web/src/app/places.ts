// The places of the UI: the left rail, the `g` keys and the finder are made from this list.
import type { IconName } from '../design/icons';

export interface Place {
  title: string;
  href: string;
  icon: IconName;
  key: string; // after `g`
  group: '' | 'Data' | 'Explore' | 'Build' | 'Govern' | 'Operate';
}

export const places: Place[] = [
  { title: 'Home', href: '/', icon: 'home', key: 'h', group: '' },
  { title: 'Catalog', href: '/catalog', icon: 'table', key: 'c', group: 'Data' },
  { title: 'Topics', href: '/topics', icon: 'topic', key: 't', group: 'Data' },
  { title: 'SQL', href: '/sql', icon: 'code', key: 's', group: 'Explore' },
  { title: 'Dashboards', href: '/dashboards', icon: 'dashboard', key: 'd', group: 'Explore' },
  { title: 'Runs', href: '/runs', icon: 'runs', key: 'r', group: 'Build' },
  { title: 'Sources', href: '/sources', icon: 'source', key: 'o', group: 'Build' },
  { title: 'Workspace', href: '/workspace', icon: 'folder', key: 'w', group: 'Build' },
  { title: 'Audit', href: '/audit', icon: 'audit', key: 'a', group: 'Govern' },
  { title: 'Access', href: '/access', icon: 'access', key: 'x', group: 'Govern' },
  { title: 'Alerts', href: '/alerts', icon: 'bell', key: 'l', group: 'Operate' },
  { title: 'Status', href: '/status', icon: 'health', key: 'e', group: 'Operate' },
];

export const isAt = (place: Place, location: string): boolean =>
  place.href === '/' ? location === '/' : location === place.href || location.startsWith(place.href + '/');
