// Two texts, line by line: what went, what came. Long stretches that are alike are folded away.
import { Fragment, useMemo } from 'react';
import { diffOf, type DiffLine } from './diff';
import { plural } from './format';

interface Folded {
  lines: DiffLine[];
  skipped: number; // lines that are alike, left out after these
}

// Lines that are alike and farther than `around` from a change are only counted.
export function fold(lines: DiffLine[], around: number): Folded[] {
  const near = lines.map(() => false);
  lines.forEach((line, at) => {
    if (line.sign === ' ') return;
    near.fill(true, Math.max(0, at - around), at + around + 1);
  });
  const folded: Folded[] = [{ lines: [], skipped: 0 }];
  lines.forEach((line, at) => {
    const last = folded.at(-1)!;
    if (!near[at]) last.skipped += 1;
    else if (last.skipped > 0) folded.push({ lines: [line], skipped: 0 });
    else last.lines.push(line);
  });
  return folded;
}

const kWords = { '+': 'added', '-': 'removed', ' ': '' };

export function Difference(props: { before: string; after: string; label?: string; around?: number }) {
  const { before, after, around = Infinity } = props;
  const parts = useMemo(() => {
    const lines = diffOf(before, after);
    return around === Infinity ? [{ lines, skipped: 0 }] : fold(lines, around);
  }, [before, after, around]);
  return (
    <pre className="draft-diff" tabIndex={0} aria-label={props.label ?? 'What changes'}>
      {parts.map((part, index) => (
        <Fragment key={index}>
          {part.lines.map((line, at) => (
            <span key={at} className={kWords[line.sign]}>
              {line.sign} {line.text}
              {'\n'}
            </span>
          ))}
          {part.skipped > 0 && <span className="skipped">{`  ${plural(part.skipped, 'line')} alike\n`}</span>}
        </Fragment>
      ))}
    </pre>
  );
}
