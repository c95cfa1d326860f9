// The look and the ways of the SQL editor, shared by the editor and by read-only SQL.
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { EditorView } from '@codemirror/view';
import { tags } from '@lezer/highlight';

export const look = [
  EditorView.theme({
    '&': { height: '100%', fontSize: '13px', backgroundColor: 'var(--surface)', color: 'var(--ink)' },
    '&.cm-focused': { outline: 'none' },
    '.cm-scroller': { fontFamily: 'var(--font-data)', lineHeight: '20px' },
    '.cm-content': { padding: '8px 0', caretColor: 'var(--ink)' },
    '.cm-cursor': { borderLeftColor: 'var(--ink)' },
    '.cm-placeholder': { color: 'var(--ink-faint)' },
    '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--ink-faint)', border: 'none', minWidth: '40px' },
    '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--surface-sunk)' },
    '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': {
      backgroundColor: 'var(--accent-soft) !important',
    },
    '.cm-tooltip': {
      backgroundColor: 'var(--surface-raised)',
      color: 'var(--ink)',
      border: '1px solid var(--line-strong)',
    },
    '.cm-tooltip-autocomplete > ul > li[aria-selected]': {
      backgroundColor: 'var(--accent-soft)',
      color: 'var(--accent)',
    },
    '.cm-diagnostic-error': { borderLeftColor: 'var(--failed)' },
    '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--failed)' },
    '.cm-matchingBracket': { backgroundColor: 'var(--accent-soft) !important', outline: 'none' },
    '.cm-panels': { backgroundColor: 'var(--surface-sunk)', color: 'var(--ink)' },
  }),
  syntaxHighlighting(
    HighlightStyle.define([
      { tag: [tags.keyword, tags.operatorKeyword, tags.typeName], color: 'var(--syntax-keyword)', fontWeight: '600' },
      { tag: tags.string, color: 'var(--syntax-string)' },
      { tag: [tags.number, tags.bool, tags.null], color: 'var(--syntax-number)' },
      { tag: [tags.lineComment, tags.blockComment], color: 'var(--syntax-comment)' },
    ]),
  ),
];
