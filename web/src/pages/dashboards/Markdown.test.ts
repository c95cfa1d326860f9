import { describe, expect, it } from 'vitest';
import { safeAddress } from './Markdown';

describe('an address in Markdown', () => {
  it('goes to the web, to mail or to this site', () => {
    for (const good of ['https://x.org/a?b#c', 'http://x', 'mailto:a@b.c', '/sql?q=1', '#here'])
      expect(safeAddress(good)).toBe(good);
  });
  it('runs nothing and hides nothing', () => {
    for (const bad of [
      'javascript:alert(1)',
      ' JaVaScRiPt:alert(1)',
      'java\nscript:alert(1)',
      'data:text/html,<script>alert(1)</script>',
      'vbscript:x',
      '//evil.org',
      '/\\evil.org',
      'file:///etc/passwd',
      'blob:x',
      'nothing',
    ])
      expect(safeAddress(bad), bad).toBeUndefined();
  });
});
