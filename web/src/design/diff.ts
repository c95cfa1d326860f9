// The lines that differ between two texts, for people to read before they copy.
export interface DiffLine {
  sign: ' ' | '+' | '-';
  text: string;
}

const kLinesMax = 2000; // beyond, the table of common lines gets too large: shown as all old, then all new

export function diffOf(before: string, after: string): DiffLine[] {
  const old = before.split('\n');
  const now = after.split('\n');
  const line = (sign: DiffLine['sign']) => (text: string) => ({ sign, text });
  if (old.length > kLinesMax || now.length > kLinesMax) return [...old.map(line('-')), ...now.map(line('+'))];
  const width = now.length + 1;
  const common = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        old[i] === now[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
    }
  }
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      lines.push(line(' ')(old[i]!));
      i += 1;
      j += 1;
    } else if (j >= now.length || (i < old.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)) {
      lines.push(line('-')(old[i]!));
      i += 1;
    } else {
      lines.push(line('+')(now[j]!));
      j += 1;
    }
  }
  return lines;
}
