// public/start.js with a page, a browser's storage and a server of our own.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { queryOf, viewersZone } from '../pages/dashboards/chosen';
import type { Dashboard } from './types';
import { call } from './client';
import { forgetEarly, takeArrived } from './early';

const kStart = readFileSync(new URL('../../public/start.js', import.meta.url), 'utf8');
const kZone = `time_zone=${encodeURIComponent(viewersZone())}`;

// Runs start.js at an address; `answers` by path, everything else is 404. Gives what was asked, in order.
function start(address: string, answers: Record<string, string>, here: string | null = 'yes'): string[] {
  const asked: string[] = [];
  const { pathname, search } = new URL(address, 'http://tarn.test');
  vi.stubGlobal('window', {});
  vi.stubGlobal('location', { pathname, search });
  vi.stubGlobal('localStorage', { getItem: (key: string) => (key === 'tarn.here' ? here : null) });
  vi.stubGlobal('matchMedia', () => ({ matches: false }));
  vi.stubGlobal('document', { documentElement: { setAttribute: () => undefined } });
  vi.stubGlobal('fetch', (path: string) => {
    asked.push(path);
    const body = answers[path.replace('/api/v1', '')];
    return Promise.resolve(body === undefined ? new Response('{}', { status: 404 }) : new Response(body));
  });
  new Function(kStart)();
  return asked;
}
const settled = () => new Promise((then) => setTimeout(then, 20));

afterEach(() => vi.unstubAllGlobals());

describe('what start.js asks ahead', () => {
  const tiles = `/dashboards/air/speed/tiles?carrier=UA&air.flights.origin=JFK&${kZone}`;
  const address = '/dashboards/air/speed?carrier=UA&tile=1&air.flights.origin=JFK';
  const lines = '{"index":0,"status":200,"answer":{"rows":[[1]]}}\n{"index":2,"status":403,"answer":{"error":{}}}\n';

  it('is what the page asks, and answers it once', async () => {
    const asked = start(address, { '/me': '{"name":"a"}', '/dashboards/air/speed': '{}', [tiles]: lines });
    expect(asked).toEqual(['/me', '/dashboards/air/speed', tiles].map((path) => `/api/v1${path}`));
    await settled();
    const dashboard = { filters: [{ name: 'carrier' }] } as unknown as Dashboard;
    const question = queryOf(new URL(address, 'http://tarn.test').searchParams, dashboard);
    const first = `/dashboards/air/speed/tiles/0${question}`;
    expect(takeArrived(first)).toBe('{"rows":[[1]]}');
    expect(takeArrived(first)).toBeUndefined();
    await expect(call('GET', `/dashboards/air/speed/tiles/2${question}`)).rejects.toMatchObject({ status: 403 });
    expect(await call('GET', '/me')).toEqual({ name: 'a' });
    expect(asked).toHaveLength(3);
  });
  it('is waited for while it is under way, and asked again where it does not come', async () => {
    const alone = `/dashboards/air/speed/tiles/1?carrier=UA&air.flights.origin=JFK&${kZone}`;
    const asked = start(address, { [tiles]: lines, [alone]: '{"rows":[]}' });
    const zeroth = call('GET', alone.replace('tiles/1', 'tiles/0'));
    const first = call('GET', alone);
    expect(await zeroth).toEqual({ rows: [[1]] });
    expect(await first).toEqual({ rows: [] });
    expect(asked.filter((path) => path.includes('/tiles/'))).toEqual([`/api/v1${alone}`]);
  });
  it('is nothing for a stranger, nor while editing, nor at the login', async () => {
    expect(start(address, {}, null)).toEqual(['/api/v1/me']);
    await settled();
    expect(start('/login', {})).toEqual([]);
    expect(start('/dashboards/air/speed?edit=1', {})).toEqual(['/api/v1/me', '/api/v1/dashboards/air/speed']);
  });
  it('comes after it is known who is there, in a browser that was never here', async () => {
    const asked = start(address, { '/me': '{}' }, null);
    await settled();
    expect(asked).toHaveLength(3);
  });
  it('is forgotten when somebody else logs in', async () => {
    start(address, { '/me': '{"name":"a"}' });
    await settled();
    forgetEarly();
    expect(takeArrived('/me')).toBeUndefined();
  });
});
