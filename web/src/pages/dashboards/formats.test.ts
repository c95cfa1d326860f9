import { describe, expect, it } from 'vitest';
import { writer } from './formats';

describe('the format of a number', () => {
  it.each([
    ['0', 1234.5, '1235'],
    ['0,0', 1234567, '1,234,567'],
    ['0,0.00', 1234.5, '1,234.50'],
    ['0.0 %', 0.2374, '23.7 %'],
    ['$0,0.00', -12.5, '−$12.50'],
    ['CHF 0,0', 1200, 'CHF 1,200'],
    ['0 min', 5.4, '5 min'],
    ['0.0a', 1234567, '1.2M'],
    ['0.0', -0.01, '0.0'],
    ['plain', 2013, '2013'],
    ['bytes', 1536, '1.5 KiB'],
    ['duration', 90, '1 min 30 s'],
  ])('%s writes %d as %s', (format, value, text) => {
    expect(writer(format)(value)).toBe(text);
  });
});
