import { expect, test } from 'vitest';
import type { RunDetail, Task } from '../../api/types';
import { chainsOf } from './chains';

const task = (id: string, dataset: string) => ({ id, dataset }) as Task;
const run = (id: string, of: string, more: Partial<RunDetail>) =>
  ({
    id,
    task: of,
    state: 'succeeded',
    trigger: 'schedule',
    version: '',
    inputs: {},
    after: {},
    queued_at: `0${id}`,
    ended_at: `0${id}`,
    ...more,
  }) as RunDetail;

const tasks = [task('source:s.a', 'raw_s.a'), task('table:u.b', 'u.b'), task('table:u.c', 'u.c'), task('job:u.j', '')];

test('runs that new data brought follow the run that brought it', () => {
  const runs = [
    run('1', 'source:s.a', { version: '1' }),
    run('2', 'table:u.b', { version: '0', trigger: 'first run', inputs: { 'raw_s.a': '1' } }),
    run('3', 'source:s.a', { version: '2' }),
    run('4', 'table:u.b', { version: '1', trigger: 'new data in raw_s.a', inputs: { 'raw_s.a': '2' } }),
    run('5', 'table:u.c', { trigger: 'new data in u.b', inputs: { 'u.b': '1', 'raw_s.a': '1' } }),
    run('6', 'job:u.j', { trigger: 'after table:u.c', after: { 'table:u.c': '5' } }),
    run('7', 'table:u.c', { trigger: 'hand: user:ann', inputs: { 'u.b': '1' } }),
  ];
  expect(chainsOf(runs, tasks).map((chain) => chain.runs.map((each) => each.id))).toEqual([
    ['1', '2'],
    ['3', '4', '5', '6'],
    ['7'],
  ]);
});

test('a circle in what is said ends', () => {
  const runs = [
    run('1', 'job:u.j', { trigger: 'after x', after: { x: '2' } }),
    run('2', 'job:u.j', { trigger: 'after x', after: { x: '1' } }),
  ];
  expect(chainsOf(runs, tasks).flatMap((chain) => chain.runs)).toHaveLength(2);
});
