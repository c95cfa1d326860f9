// CodeMirror for SQL: completion of tables, columns and words; Ctrl-Enter runs; an error is marked where it is.
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  type Completion,
  type CompletionContext,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { PostgreSQL, schemaCompletionSource } from '@codemirror/lang-sql';
import { bracketMatching, LanguageSupport } from '@codemirror/language';
import { setDiagnostics } from '@codemirror/lint';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, Prec } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers, placeholder } from '@codemirror/view';
import { useEffect, useRef } from 'react';
import type { SqlWords } from '../../api/types';
import { look } from './setup';

export interface SqlEditorProps {
  text: string;
  words?: SqlWords | undefined;
  error?: { message: string; position: number } | undefined;
  onChange: (text: string) => void;
  onRun: (selection: string) => void;
}

// Names first, then columns, then words; words in capitals for who types in capitals.
function language(words: SqlWords | undefined) {
  const relations = words?.relations ?? [];
  const schema: Record<string, Record<string, string[]>> = {};
  for (const relation of relations) (schema[relation.schema] ??= {})[relation.name] = relation.columns;
  const named = [
    ...relations.map(({ schema: in_, name }): Completion => ({ label: `${in_}.${name}`, type: 'class', boost: 2 })),
    ...[...new Set(relations.flatMap((relation) => relation.columns))].map((label): Completion => ({
      label,
      type: 'property',
      boost: 1,
    })),
  ];
  const lower = [...named, ...(words?.words ?? []).map((label): Completion => ({ label, type: 'keyword' }))];
  const upper = [
    ...named,
    ...(words?.words ?? []).map((word): Completion => ({ label: word.toUpperCase(), type: 'keyword' })),
  ];
  const complete = (context: CompletionContext) => {
    const word = context.matchBefore(/\w+/);
    if (!word && !context.explicit) return null;
    const from = word?.from ?? context.pos;
    if (from > 0 && context.state.sliceDoc(from - 1, from) === '.') return null; // the schema's own source knows
    return { from, options: word && /^[A-Z_]+$/.test(word.text) ? upper : lower, validFor: /^\w*$/ };
  };
  return new LanguageSupport(PostgreSQL.language, [
    PostgreSQL.language.data.of({ autocomplete: schemaCompletionSource({ dialect: PostgreSQL, schema }) }),
    PostgreSQL.language.data.of({ autocomplete: complete }),
  ]);
}

// From the position to the end of the word there.
export function errorRange(text: string, position: number): { from: number; to: number } {
  const from = Math.max(0, Math.min(position - 1, text.length));
  const word = /^["\w.]+|^\S/.exec(text.slice(from));
  const to = Math.min(text.length, from + (word?.[0].length ?? 1));
  return from === to && from > 0 ? { from: from - 1, to } : { from, to };
}

export default function SqlEditor(props: SqlEditorProps) {
  const holder = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  const spoken = useRef(new Compartment());
  useEffect(() => {
    latest.current = props;
  });
  useEffect(() => {
    const run = (editor: EditorView) => {
      const { from, to } = editor.state.selection.main;
      latest.current.onRun(editor.state.sliceDoc(from, to));
      return true;
    };
    const made = new EditorView({
      parent: holder.current!,
      state: EditorState.create({
        doc: latest.current.text,
        extensions: [
          lineNumbers(),
          history(),
          drawSelection(),
          highlightActiveLine(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false }),
          highlightSelectionMatches(),
          placeholder('SELECT … FROM …      Ctrl Enter runs it, Ctrl Space completes'),
          Prec.highest(keymap.of([{ key: 'Mod-Enter', run, preventDefault: true }])),
          keymap.of([
            ...closeBracketsKeymap,
            ...completionKeymap,
            ...searchKeymap,
            ...historyKeymap,
            indentWithTab,
            ...defaultKeymap,
          ]),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': 'SQL' }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
          }),
          spoken.current.of(language(latest.current.words)),
          look,
        ],
      }),
    });
    view.current = made;
    made.focus();
    return () => made.destroy();
  }, []);
  useEffect(() => {
    view.current?.dispatch({ effects: spoken.current.reconfigure(language(props.words)) });
  }, [props.words]);
  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== props.text) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: props.text } });
    }
  }, [props.text]);
  const { error } = props;
  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const marks = error
      ? [
          {
            ...errorRange(editor.state.doc.toString(), error.position),
            severity: 'error' as const,
            message: error.message,
          },
        ]
      : [];
    editor.dispatch(setDiagnostics(editor.state, marks));
    if (marks[0]) editor.dispatch({ selection: { anchor: marks[0].from }, scrollIntoView: true });
  }, [error]);
  return <div ref={holder} className="editor" />;
}
