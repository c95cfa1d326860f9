import { describe, expect, it } from 'vitest';
import type { TopicRecord } from '../../api/types';
import { kNoTail, kTailKept, withCome } from './useTail';

const record = (offset: number): TopicRecord => ({
  partition: 0,
  offset,
  time: null,
  key: null,
  value: String(offset),
  headers: [],
});

describe('the live tail', () => {
  it('has the newest first, and keeps so many', () => {
    let tail = withCome(kNoTail, [record(1), record(2)], 0);
    expect(tail.records.map((each) => each.offset)).toEqual([2, 1]);
    for (let at = 3; at < 2000; at += 1) tail = withCome(tail, [record(at)], 0);
    expect(tail.records).toHaveLength(kTailKept);
    expect(tail.records[0]?.offset).toBe(1999);
    expect(tail.seen).toBe(1999);
  });
  it('says what was left out', () => {
    expect(withCome(withCome(kNoTail, [], 40), [record(1)], 2).skipped).toBe(42);
  });
});
