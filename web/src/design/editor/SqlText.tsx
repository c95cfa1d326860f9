// SQL to look at.
import { CopyIcon } from '../copy';
import { later } from '../later';

const Viewer = later(
  () => import('./Viewer'),
  ({ text }: { text: string }) => <pre className="code-block">{text}</pre>,
);

export function SqlText({ text }: { text: string }) {
  return (
    <div className="sql-text">
      <Viewer text={text} />
      <div className="sql-text-copy">
        <CopyIcon text={text} label="Copy the SQL" />
      </div>
    </div>
  );
}
