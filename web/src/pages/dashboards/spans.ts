// How wide tiles are, of twelve: numbers side by side share the width; what is drawn takes half of it, and all of it
// when nothing stands beside it.
export function spansOf(kinds: string[]): number[] {
  const spans: number[] = [];
  for (let start = 0; start < kinds.length;) {
    const isNumber = kinds[start] === 'number';
    let end = start + 1;
    while (end < kinds.length && (kinds[end] === 'number') === isNumber) end += 1;
    const count = end - start;
    for (let place = 0; place < count; place += 1) {
      const alone = count % 2 === 1 && place === count - 1;
      spans.push(isNumber ? Math.max(3, 12 / Math.min(count, 4)) : alone ? 12 : 6);
    }
    start = end;
  }
  return spans;
}
