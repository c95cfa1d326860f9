import { describe, expect, it } from 'vitest';
import { hexOf, looksOf, shortOf, showAs } from './decode';

describe('what a record holds', () => {
  it('lays JSON out, and changes nothing in it but blanks', () => {
    const text = '{"id":12345678901234567890,"a":[1,2.50],"e":{},"f":[],"s":"a, b: {c}\\"","n":null}';
    const shown = showAs('json', text, false);
    expect(shown.split('\n')[1]).toBe('  "id": 12345678901234567890,');
    expect(shown).toContain('"s": "a, b: {c}\\""');
    expect(shown).toContain('"e": {},');
    expect(shown.replace(/\s+/g, '')).toBe(text.replace(/\s+/g, ''));
    expect(looksOf(text, false)).toEqual(['json', 'text', 'hex']);
  });
  it('takes what only looks like JSON for text', () => {
    expect(looksOf('{broken', false)).toEqual(['text', 'hex']);
    expect(looksOf('42', false)).toEqual(['text', 'hex']);
    expect(showAs('json', '{broken', false)).toBe('{broken');
  });
  it('shows bytes as hexdump does', () => {
    expect(hexOf(new TextEncoder().encode('Hallo, Welt: 16 ä'))).toBe(
      '00000000  48 61 6c 6c 6f 2c 20 57  65 6c 74 3a 20 31 36 20  Hallo, Welt: 16 \n' +
        '00000010  c3 a4                                             ..',
    );
    expect(showAs('text', '/wA=', true)).toContain('ff 00');
  });
  it('fits a line', () => {
    expect(shortOf('a\n  b', false)).toBe('a b');
    expect(shortOf('x'.repeat(1000), false)).toHaveLength(301);
    expect(shortOf('/wA=', true)).toBe('ff 00');
  });
});
