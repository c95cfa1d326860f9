import { describe, expect, it } from 'vitest';
import { dark, light } from './palette';

const channel = (value: number) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const luminance = (colour: string) => {
  const [red, green, blue] = [1, 3, 5].map((at) => channel(parseInt(colour.slice(at, at + 2), 16) / 255));
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
};
const contrast = (one: string, other: string) => {
  const [low, high] = [luminance(one), luminance(other)].sort((left, right) => left - right);
  return (high! + 0.05) / (low! + 0.05);
};

describe('the colours of charts', () => {
  it.each([
    ['light', light],
    ['dark', dark],
  ])('can be read as text on %s ground, as direct labels are', (_, palette) => {
    for (const colour of [...palette.series, palette.ink, palette.faint]) {
      expect(contrast(colour, palette.surface), colour).toBeGreaterThanOrEqual(4.5);
    }
  });
});
