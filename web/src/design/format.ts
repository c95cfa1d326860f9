// How numbers, sizes and times are written, everywhere alike.

const kWhole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const kShort = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 });
const kExact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

export const none = '–';

export function formatCount(value: number | null | undefined): string {
  return value === null || value === undefined || value < 0 ? none : kWhole.format(value);
}

export function plural(count: number, one: string, many = one + 's'): string {
  return `${kWhole.format(count)} ${count === 1 ? one : many}`;
}

// A measured number for people: about four significant digits, never in powers of ten unless it must.
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return kWhole.format(value);
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : Math.min(8, 3 - Math.floor(Math.log10(size)));
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

// How the numbers of one column or one chart are written: all to the same place after the point, so that they compare.
// Years, keys and other numbers that count nothing stay without separators.
export function formatterFor(name: string, values: (number | null)[]): (value: number) => string {
  const numbers = values.filter((value) => value !== null);
  const largest = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const useGrouping = largest >= 10_000 && !/(^|_)(id|key|code|year|zip|phone|no|nr|number|version)$/i.test(name);
  if (numbers.every(Number.isInteger)) return (value) => value.toLocaleString('en-US', { useGrouping });
  const digits = largest >= 1000 ? 0 : largest >= 100 ? 1 : largest >= 1 || largest === 0 ? 2 : 4;
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping };
  return (value) => value.toLocaleString('en-US', format);
}
export const formatShort = (value: number): string =>
  Math.abs(value) < 10_000 ? formatNumber(value) : kShort.format(value);

export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined || bytes < 0) return none;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function formatDuration(seconds: number): string {
  if (seconds < 0.001) return `${Math.max(0, Math.round(seconds * 1e6))} µs`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

// "15 min", "1 h", "7 d": how often something happens.
export function formatEvery(seconds: number | null): string {
  if (seconds === null) return 'on new data';
  for (const [size, unit] of [
    [86400, 'd'],
    [3600, 'h'],
    [60, 'min'],
  ] as const) {
    if (seconds >= size && seconds % size === 0) return `every ${seconds / size} ${unit}`;
  }
  return `every ${seconds} s`;
}

export function formatAgo(time: string | null | undefined, now: number): string {
  if (!time) return none;
  const seconds = (now - Date.parse(time)) / 1000;
  if (Number.isNaN(seconds)) return time;
  const size = Math.abs(seconds);
  const text =
    size < 60
      ? `${Math.floor(size)} s`
      : size < 3600
        ? `${Math.floor(size / 60)} min`
        : size < 86400 * 2
          ? `${Math.floor(size / 3600)} h`
          : `${Math.floor(size / 86400)} d`;
  if (size < 2) return 'now';
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

export function formatExact(time: string | null | undefined): string {
  if (!time || Number.isNaN(Date.parse(time))) return time ?? '';
  return kExact.format(new Date(time));
}

export function secondsBetween(start: string | null, end: string | null, now: number): number | null {
  if (!start) return null;
  return Math.max(0, ((end ? Date.parse(end) : now) - Date.parse(start)) / 1000);
}

export const isNumeric = (type: string): boolean =>
  /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL|NUMERIC|FLOAT|DOUBLE|REAL)\b/i.test(type) && !type.endsWith(']');
export const isTemporal = (type: string): boolean => /^(DATE|TIMESTAMP)/i.test(type);

// A cell of a result as text. Null has no text: whoever shows it marks it.
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

// A text that a spreadsheet would take for a formula; a number is none.
const isFormula = (text: string): boolean => /^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text);

// Cells that a spreadsheet would run get an apostrophe in front.
export function toCsv(columns: string[], rows: unknown[][]): string {
  const field = (value: unknown) => {
    const text = value === null || value === undefined ? '' : cellText(value);
    const safe = isFormula(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [columns, ...rows].map((row) => row.map(field).join(',')).join('\n') + '\n';
}
