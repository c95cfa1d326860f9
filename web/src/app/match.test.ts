import { describe, expect, it } from 'vitest';
import { scoreOf } from './match';

describe('the finder', () => {
  it('puts starts of words first', () => {
    const table = scoreOf('flights', 'delays.flights', '');
    expect(table).toBeGreaterThan(scoreOf('flights', 'delays.allflights', ''));
    expect(scoreOf('flights', 'flights', '')).toBeGreaterThan(table);
  });
  it('wants every word, in title or note', () => {
    expect(scoreOf('delays plane', 'delays.flights', 'with its plane')).toBeGreaterThan(0);
    expect(scoreOf('delays ship', 'delays.flights', 'with its plane')).toBe(0);
  });
});
