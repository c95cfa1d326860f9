import { PostgreSQL, sql } from '@codemirror/lang-sql';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useEffect, useRef } from 'react';
import { look } from './setup';

export default function Viewer({ text }: { text: string }) {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const view = new EditorView({
      parent: holder.current!,
      state: EditorState.create({
        doc: text,
        extensions: [
          sql({ dialect: PostgreSQL }),
          EditorState.readOnly.of(true),
          EditorView.editable.of(false),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': 'SQL', tabindex: '0' }),
          look,
        ],
      }),
    });
    return () => view.destroy();
  }, [text]);
  return <div ref={holder} className="viewer" />;
}
