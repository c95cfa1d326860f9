// What the small JavaScript engine that draws reports lacks: it knows the language of 2009. Everything here is defined
// only where it is missing, so that the same code runs in tests. Comes before any other import of main.ts.

type Any = any; // eslint-disable-line @typescript-eslint/no-explicit-any
const everything = globalThis as Any;

// What libraries look for where there is no browser. Typed arrays are slow there, and made for machines that are not.
if (everything.Duktape !== undefined) {
  everything.global = everything;
  everything.console = { log: () => undefined, warn: () => undefined, error: () => undefined };
  everything.setTimeout = () => 0;
  everything.clearTimeout = () => undefined;
  for (const name of ['Float32Array', 'Float64Array', 'Int32Array', 'Uint32Array', 'Uint16Array', 'Uint8Array']) {
    everything[name] = undefined;
  }
}

function give(target: Any, name: string | symbol, value: unknown): void {
  if (target[name] !== undefined) return;
  Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
}

// ---- iteration, as the compiled code asks for it
const kIterator: Any = everything.Symbol?.iterator ?? '@@iterator';
if (everything.Symbol && everything.Symbol.iterator === undefined) everything.Symbol.iterator = kIterator;

function iteratorOf(list: Any[]): Any {
  let at = 0;
  const iterator: Any = {
    next: () => (at < list.length ? { value: list[at++], done: false } : { value: undefined, done: true }),
  };
  iterator[kIterator] = () => iterator;
  return iterator;
}
function listOf(items: Any): Any[] {
  if (items === null || items === undefined) return [];
  const make = items[kIterator];
  if (typeof make !== 'function' || Array.isArray(items)) return Array.prototype.slice.call(items);
  const iterator = make.call(items);
  const list: Any[] = [];
  for (let step = iterator.next(); !step.done; step = iterator.next()) list.push(step.value);
  return list;
}

// ---- Map and Set: in the order of insertion; texts and numbers by a hash, objects by looking
function keyOf(value: Any): string | null {
  const type = typeof value;
  if (type === 'string') return 's' + value;
  if (type === 'number') return 'n' + (value === 0 ? 0 : value);
  return value === null || type === 'boolean' || type === 'undefined' ? 'c' + String(value) : null;
}
class SmallMap {
  private places: Any = Object.create(null);
  private names: Any[] = [];
  private contents: Any[] = [];
  size = 0;
  constructor(items?: Any) {
    listOf(items).forEach((pair) => this.set(pair[0], pair[1]));
  }
  private placeOf(name: Any): number {
    const key = keyOf(name);
    if (key === null) return this.names.indexOf(name);
    const place = this.places[key];
    return place === undefined ? -1 : place;
  }
  get(name: Any): Any {
    const place = this.placeOf(name);
    return place < 0 ? undefined : this.contents[place];
  }
  has(name: Any): boolean {
    return this.placeOf(name) >= 0;
  }
  set(name: Any, content: Any): this {
    const place = this.placeOf(name);
    if (place >= 0) {
      this.contents[place] = content;
      return this;
    }
    const key = keyOf(name);
    if (key !== null) this.places[key] = this.names.length;
    this.names.push(name);
    this.contents.push(content);
    this.size += 1;
    return this;
  }
  delete(name: Any): boolean {
    const place = this.placeOf(name);
    if (place < 0) return false;
    const rest = this.pairs().filter((_, at) => at !== place);
    this.clear();
    rest.forEach((pair) => this.set(pair[0], pair[1]));
    return true;
  }
  clear(): void {
    this.places = Object.create(null);
    this.names = [];
    this.contents = [];
    this.size = 0;
  }
  pairs(): Any[][] {
    return this.names.map((name, at) => [name, this.contents[at]]);
  }
  forEach(work: (content: Any, name: Any, map: Any) => void): void {
    this.pairs().forEach((pair) => work(pair[1], pair[0], this));
  }
  keys(): Any {
    return iteratorOf(this.names.slice());
  }
  values(): Any {
    return iteratorOf(this.contents.slice());
  }
  entries(): Any {
    return iteratorOf(this.pairs());
  }
}
(SmallMap.prototype as Any)[kIterator] = SmallMap.prototype.entries;
class SmallSet {
  private map = new SmallMap();
  constructor(items?: Any) {
    listOf(items).forEach((item) => this.add(item));
  }
  get size(): number {
    return this.map.size;
  }
  add(item: Any): this {
    this.map.set(item, item);
    return this;
  }
  has(item: Any): boolean {
    return this.map.has(item);
  }
  delete(item: Any): boolean {
    return this.map.delete(item);
  }
  clear(): void {
    this.map.clear();
  }
  forEach(work: (item: Any) => void): void {
    this.map.forEach((item) => work(item));
  }
  values(): Any {
    return this.map.values();
  }
}
(SmallSet.prototype as Any)[kIterator] = SmallSet.prototype.values;
give(everything, 'Map', SmallMap);
give(everything, 'Set', SmallSet);
give(everything, 'WeakMap', SmallMap);

// ---- objects, lists, texts, numbers
give(Object, 'assign', (target: Any, ...sources: Any[]) => {
  sources.forEach((source) => Object.keys(source ?? {}).forEach((key) => (target[key] = source[key])));
  return target;
});
give(Object, 'entries', (value: Any) => Object.keys(value).map((key) => [key, value[key]]));
give(Object, 'values', (value: Any) => Object.keys(value).map((key) => value[key]));
give(Object, 'fromEntries', (pairs: Any) => {
  const made: Any = {};
  listOf(pairs).forEach((pair) => (made[pair[0]] = pair[1]));
  return made;
});

give(Array, 'from', (items: Any, change?: (item: Any, at: number) => Any) => {
  let list: Any[] = [];
  if (typeof items?.length === 'number') for (let at = 0; at < items.length; at += 1) list.push(items[at]);
  else list = listOf(items);
  return change ? list.map((item, at) => change(item, at)) : list;
});
give(Array, 'of', (...items: Any[]) => items);
const lists: Any = Array.prototype;
give(lists, kIterator, function (this: Any[]) {
  return iteratorOf(this);
});
give(lists, 'includes', function (this: Any[], item: Any) {
  return this.indexOf(item) >= 0 || (item !== item && this.some((one) => one !== one));
});
give(lists, 'findIndex', function (this: Any[], test: (item: Any, at: number) => boolean) {
  for (let at = 0; at < this.length; at += 1) if (test(this[at], at)) return at;
  return -1;
});
give(lists, 'find', function (this: Any[], test: (item: Any, at: number) => boolean) {
  for (let at = 0; at < this.length; at += 1) if (test(this[at], at)) return this[at];
  return undefined;
});
give(lists, 'fill', function (this: Any[], value: Any, start = 0, end = this.length) {
  for (let at = start; at < end; at += 1) this[at] = value;
  return this;
});
give(lists, 'flat', function (this: Any[]) {
  return Array.prototype.concat.apply([], this);
});
give(lists, 'flatMap', function (this: Any[], change: (item: Any, at: number) => Any) {
  return Array.prototype.concat.apply(
    [],
    this.map((item, at) => change(item, at)),
  );
});
give(lists, 'at', function (this: Any[], place: number) {
  return this[place < 0 ? this.length + place : place];
});

const texts: Any = String.prototype;
give(texts, kIterator, function (this: string) {
  return iteratorOf(this.split(''));
});
give(texts, 'includes', function (this: string, part: string) {
  return this.indexOf(part) >= 0;
});
give(texts, 'startsWith', function (this: string, part: string, from = 0) {
  return this.substr(from, part.length) === part;
});
give(texts, 'endsWith', function (this: string, part: string) {
  return this.length >= part.length && this.substr(this.length - part.length) === part;
});
give(texts, 'repeat', function (this: string, count: number) {
  return Array(count + 1).join(String(this));
});
give(texts, 'padStart', function (this: string, length: number, pad = ' ') {
  let made = String(this);
  while (made.length < length) made = pad + made;
  return made;
});
give(texts, 'padEnd', function (this: string, length: number, pad = ' ') {
  let made = String(this);
  while (made.length < length) made += pad;
  return made;
});
give(texts, 'replaceAll', function (this: string, part: string, other: string) {
  return this.split(part).join(other);
});
give(texts, 'trimEnd', function (this: string) {
  return this.replace(/\s+$/, '');
});
give(texts, 'trimStart', function (this: string) {
  return this.replace(/^\s+/, '');
});

give(Number, 'isNaN', (value: Any) => typeof value === 'number' && value !== value);
give(Number, 'isFinite', (value: Any) => typeof value === 'number' && isFinite(value));
give(Number, 'isInteger', (value: Any) => typeof value === 'number' && isFinite(value) && Math.floor(value) === value);
give(Number, 'parseFloat', parseFloat);
give(Math, 'sign', (value: number) => (value > 0 ? 1 : value < 0 ? -1 : value));
give(Math, 'trunc', (value: number) => (value < 0 ? Math.ceil(value) : Math.floor(value)));
give(Math, 'log10', (value: number) => {
  const log = Math.log(value) / Math.LN10;
  return Math.abs(log - Math.round(log)) < 1e-12 ? Math.round(log) : log;
});
give(Math, 'log2', (value: number) => Math.log(value) / Math.LN2);
give(Math, 'hypot', (...sides: number[]) => Math.sqrt(sides.reduce((sum, side) => sum + side * side, 0)));
give(Math, 'cbrt', (value: number) => (value < 0 ? -1 : 1) * Math.pow(Math.abs(value), 1 / 3));

// ---- numbers as en-US writes them, with the options that the UI uses
interface NumberOptions {
  style?: string;
  notation?: string;
  useGrouping?: boolean;
  minimumFractionDigits?: number;
  maximumFractionDigits?: number;
  maximumSignificantDigits?: number;
}

function grouped(whole: string): string {
  return whole.replace(/\B(?=(\d{3})+$)/g, ',');
}
function rounded(size: number, options: NumberOptions): string {
  let most = options.maximumFractionDigits ?? Math.max(3, options.minimumFractionDigits ?? 0);
  if (options.maximumSignificantDigits !== undefined && size > 0) {
    most = Math.max(0, options.maximumSignificantDigits - 1 - Math.floor(Math.log(size) / Math.LN10 + 1e-9));
    size = Number(size.toPrecision(options.maximumSignificantDigits));
  }
  const text = size >= 1e21 ? String(size) : size.toFixed(Math.min(20, most));
  const least = Math.min(options.minimumFractionDigits ?? 0, most);
  const [whole = '0', places = ''] = text.split('.');
  let kept = places;
  while (kept.length > least && kept.charAt(kept.length - 1) === '0') kept = kept.substr(0, kept.length - 1);
  return kept ? `${whole}.${kept}` : whole;
}
export function writtenNumber(value: number, options: NumberOptions = {}): string {
  if (value !== value) return 'NaN';
  if (!isFinite(value)) return value < 0 ? '-∞' : '∞';
  let size = Math.abs(value);
  let unit = '';
  let rules = options;
  if (options.style === 'percent') {
    size *= 100;
    rules = { ...options, maximumFractionDigits: options.maximumFractionDigits ?? 0 };
    unit = '%';
  }
  if (options.notation === 'compact') {
    const kUnits = ['', 'K', 'M', 'B', 'T'];
    let step = 0;
    // What rounds up to a thousand is one of the next unit.
    while (step < kUnits.length - 1 && Number(rounded(size, options)) >= 1000) {
      size /= 1000;
      step += 1;
    }
    unit = kUnits[step]!;
  }
  const text = rounded(size, rules);
  const [whole = '', places] = text.split('.');
  const isGrouped = options.useGrouping !== false && (options.notation !== 'compact' || whole.length > 4);
  const sign = value < 0 && /[1-9]/.test(text) ? '-' : '';
  return sign + (isGrouped ? grouped(whole) : whole) + (places ? `.${places}` : '') + unit;
}
const isWithoutIntl = everything.Intl === undefined;
give(everything, 'Intl', {
  NumberFormat: function (_: string, options: NumberOptions) {
    return { format: (value: number) => writtenNumber(value, options) };
  },
  DateTimeFormat: function () {
    return { format: (value: unknown) => String(value) };
  },
});
if (isWithoutIntl) {
  Object.defineProperty(Number.prototype, 'toLocaleString', {
    value: function (this: number, _: string, options: NumberOptions) {
      return writtenNumber(Number(this), options);
    },
    writable: true,
    configurable: true,
  });
}
