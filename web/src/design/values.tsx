// A nested value as names and values, instead of raw JSON.
import type { Cell } from '../api/types';
import { cellText } from './format';

type Pair = [string, string];

function flat(value: Cell, name: string): Pair[] {
  if (Array.isArray(value)) {
    if (value.every((item) => item === null || typeof item !== 'object'))
      return [[name, value.map(cellText).join(', ')]];
    return value.flatMap((item, index) => flat(item, `${name}${name ? ' ' : ''}${index + 1}`));
  }
  if (value !== null && typeof value === 'object') {
    return Object.entries(value).flatMap(([key, inner]) => flat(inner, name ? `${name} · ${key}` : key));
  }
  return [
    [name || 'value', value === null ? '–' : typeof value === 'number' ? value.toLocaleString('en-US') : String(value)],
  ];
}

export function Values({ title, value }: { title: string; value: Cell }) {
  const pairs = flat(value, '').filter(([, text]) => text !== '');
  if (pairs.length === 0) return null;
  return (
    <div className="stack">
      <h3>{title}</h3>
      <dl className="values">
        {pairs.map(([name, text], index) => (
          <div key={index}>
            <dt>{name}</dt>
            <dd>{text.includes('\n') || text.length > 80 ? <pre className="code-block wraps">{text}</pre> : text}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
