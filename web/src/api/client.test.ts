import { describe, expect, it } from 'vitest';
import { errorFrom, parseExactly, path, query } from './client';

describe('errors of the API', () => {
  it('keep code, message, hint and position', () => {
    const error = errorFrom(
      400,
      '{"error": {"code": "syntax", "message": "near FORM", "hint": "write FROM", "position": 10}}',
    );
    expect(error).toMatchObject({
      status: 400,
      code: 'syntax',
      message: 'near FORM',
      hint: 'write FROM',
      position: 10,
    });
  });
  it('say the status when the body is not from Tarn', () => {
    expect(errorFrom(502, '<html>').message).toContain('502');
    expect(errorFrom(500, '{}').message).toContain('500');
  });
});

describe('parsing an answer', () => {
  it('keeps every digit of numbers beyond 2^53', () => {
    expect(parseExactly('{"rows": [[9007199254740993, 1.5, "x"]]}')).toEqual({
      rows: [[expect.anything(), 1.5, 'x']],
    });
  });
  it('leaves ordinary numbers as numbers', () => {
    expect(parseExactly('[336776, -1, 0.25]')).toEqual([336776, -1, 0.25]);
  });
});

describe('paths', () => {
  it('encode what is put in', () => {
    expect(path`/catalog/${'a b'}/${'c/d'}/preview`).toBe('/catalog/a%20b/c%2Fd/preview');
  });
  it('leave empty parameters out', () => {
    expect(query({ state: '', task: 'table:a.b', before: null, limit: 5 })).toBe('?task=table%3Aa.b&limit=5');
    expect(query({})).toBe('');
  });
});
