// SQL to look at.
import { lazy, Suspense } from 'react';
import { CopyIcon } from '../copy';

const Viewer = lazy(() => import('./Viewer'));

export function SqlText({ text }: { text: string }) {
  return (
    <div className="sql-text">
      <Suspense fallback={<pre className="code-block">{text}</pre>}>
        <Viewer text={text} />
      </Suspense>
      <div className="sql-text-copy">
        <CopyIcon text={text} label="Copy the SQL" />
      </div>
    </div>
  );
}
