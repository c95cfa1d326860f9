// Numbers that stand side by side share the width; what is drawn takes half of it.
export function spansOf(kinds: string[]): number[] {
  const spans: number[] = [];
  for (let start = 0; start < kinds.length;) {
    let end = start + 1;
    while (kinds[start] === 'number' && kinds[end] === 'number') end += 1;
    const count = end - start;
    for (; start < end; start += 1) spans.push(kinds[start] === 'number' ? Math.max(3, 12 / Math.min(count, 4)) : 6);
  }
  return spans;
}
