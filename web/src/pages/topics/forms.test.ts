import { describe, expect, it } from 'vitest';
import { headersOf } from './ProduceForm';
import { bodyOf } from './SeekForm';

describe('the forms of topics', () => {
  it('reads headers, a line each', () => {
    expect(headersOf('a: b\n\n c :d: e ')).toEqual([
      { key: 'a', value: 'b' },
      { key: 'c', value: 'd: e' },
    ]);
    expect(headersOf('none')).toBeNull();
    expect(headersOf('')).toEqual([]);
  });
  it('says where offsets shall be as the API wants it', () => {
    expect(bodyOf('latest', 3, '', '')).toEqual({ to: 'latest' });
    expect(bodyOf('shift', -3, '', 'a')).toEqual({ topic: 'a', shift: -3 });
    expect(bodyOf('time', 0, '', '')).toBeNull();
    expect(bodyOf('time', 0, '2026-01-02T03:04:05Z', '')).toEqual({ time: '2026-01-02T03:04:05.000Z' });
  });
});
