// Keys, values and headers as people read them: JSON laid out, text, or bytes in hexadecimal.
export type Look = 'json' | 'text' | 'hex';

const kHexBytesMax = 64 << 10;

export function bytesOf(text: string, isBase64: boolean): Uint8Array<ArrayBuffer> {
  if (!isBase64) return new TextEncoder().encode(text);
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// As `hexdump -C`: the offset, sixteen bytes, what of them is text.
export function hexOf(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, kHexBytesMax); at += 16) {
    const some = [...bytes.subarray(at, at + 16)];
    const hex = some.map((byte) => byte.toString(16).padStart(2, '0'));
    const left = hex.slice(0, 8).join(' ').padEnd(23);
    const right = hex.slice(8).join(' ').padEnd(23);
    const text = some.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${left}  ${right}  ${text}`);
  }
  if (bytes.length > kHexBytesMax) lines.push(`… and ${bytes.length - kHexBytesMax} bytes more`);
  return lines.join('\n');
}

function jsonOf(text: string): string | null {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  return layOut(text);
}

// Only the blanks are changed: numbers keep all their digits, keys their order.
function layOut(text: string): string {
  let out = '';
  let depth = 0;
  for (const [part] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const line = () => '\n' + '  '.repeat(depth);
    if (part === '{' || part === '[') {
      depth += 1;
      out += part + line();
    } else if (part === '}' || part === ']') {
      depth -= 1;
      out = /[{[]\s*$/.test(out) ? out.trimEnd() + part : out + line() + part;
    } else if (part === ',') out += part + line();
    else if (part === ':') out += ': ';
    else out += part;
  }
  return out;
}

export const looksOf = (text: string, isBase64: boolean): Look[] =>
  isBase64 ? ['hex'] : jsonOf(text) === null ? ['text', 'hex'] : ['json', 'text', 'hex'];

export function showAs(look: Look, text: string, isBase64: boolean): string {
  if (look === 'hex' || isBase64) return hexOf(bytesOf(text, isBase64));
  return look === 'json' ? (jsonOf(text) ?? text) : text;
}

// One line of a table.
export function shortOf(text: string, isBase64: boolean, max = 300): string {
  if (isBase64) {
    const bytes = [...bytesOf(text.slice(0, 128), true)];
    const shown = bytes.slice(0, Math.floor(max / 3));
    const rest = shown.length < bytes.length || text.length > 128 ? ' …' : '';
    return shown.map((byte) => byte.toString(16).padStart(2, '0')).join(' ') + rest;
  }
  const line = text.slice(0, max).replace(/\s+/g, ' ');
  return text.length > max ? line + '…' : line;
}
