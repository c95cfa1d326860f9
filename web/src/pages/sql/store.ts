// The text of the editor lives in the address, so that it can be sent to others, and in the browser's storage.
const kText = 'tarn.sql';
const kPast = 'tarn.sql.past';
const kPastMax = 30;
const kAddressCharsMax = 6000;
const kSettleMs = 300;

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage may be full or off; the address still holds the text.
  }
}

export function firstText(): string {
  return new URLSearchParams(window.location.search).get('q') ?? read(kText) ?? '';
}

export function fromAddress(name: string): string {
  return new URLSearchParams(window.location.search).get(name) ?? '';
}
// What is seen of a result stands in the address as well; the usual is left out.
export function toAddress(values: Record<string, string>): void {
  const address = new URL(window.location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  window.history.replaceState(window.history.state, '', address);
}

// Text that came from a page of Tarn, or that was run before the page was loaded again, runs by itself. A link from
// elsewhere has no such state and only shows its text.
export const kRun = { run: true };
export const runsByItself = (): boolean => (window.history.state as { run?: boolean } | null)?.run === true;
export function markRun(run: boolean): void {
  if (runsByItself() !== run) window.history.replaceState({ ...(window.history.state as object | null), run }, '');
}

// Returns what stops it, for an effect: only a text that stays a moment is kept.
export function keepText(text: string): () => void {
  const timer = setTimeout(() => {
    if (window.location.pathname !== '/sql') return;
    write(kText, text);
    const address = new URL(window.location.href);
    if (text && text.length <= kAddressCharsMax) address.searchParams.set('q', text);
    else address.searchParams.delete('q');
    window.history.replaceState(window.history.state, '', address);
  }, kSettleMs);
  return () => clearTimeout(timer);
}

export function pastQueries(): string[] {
  try {
    const past: unknown = JSON.parse(read(kPast) ?? '[]');
    return Array.isArray(past) ? past.filter((sql) => typeof sql === 'string') : [];
  } catch {
    return [];
  }
}
export function rememberQuery(sql: string): void {
  const past = [sql, ...pastQueries().filter((each) => each !== sql)].slice(0, kPastMax);
  write(kPast, JSON.stringify(past));
}
