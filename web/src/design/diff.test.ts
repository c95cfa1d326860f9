import { expect, test } from 'vitest';
import { diffOf } from './diff';
import { fold } from './Difference';

test('lines far from a change are counted, not shown', () => {
  const before = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].join('\n');
  const after = ['a', 'b', 'c', 'D', 'e', 'f', 'g'].join('\n');
  const parts = fold(diffOf(before, after), 1);
  expect(parts.map((part) => part.skipped)).toEqual([2, 2]);
  expect(parts[1]!.lines.map((line) => line.sign + line.text)).toEqual([' c', '-d', '+D', ' e']);
});

test('texts that are alike are one count', () => {
  expect(fold(diffOf('a\nb', 'a\nb'), 3)).toEqual([{ lines: [], skipped: 2 }]);
});
