// Markdown as elements of the page. The text is parsed into tokens and each becomes an element: HTML in it is shown as
// the text it is, links go to http(s), mailto or this site, pictures are named only.
import { lexer, type Token, type Tokens } from 'marked';
import { createElement, useMemo, type ReactNode } from 'react';
import { Link } from 'wouter';

// marked writes &lt; for < in plain text.
const kEntities: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
const plain = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => kEntities[entity] ?? entity);

// Undefined for an address that could run something or leave unseen.
export function safeAddress(href: string): string | undefined {
  const address = href.trim();
  if (/^\/(?![/\\])/.test(address) || address.startsWith('#')) return address;
  try {
    const { protocol } = new URL(address);
    return ['http:', 'https:', 'mailto:'].includes(protocol) ? address : undefined;
  } catch {
    return undefined;
  }
}

function Anchor({ href, children }: { href: string; children: ReactNode }) {
  const address = safeAddress(href);
  if (address === undefined) return <>{children}</>;
  if (address.startsWith('/')) return <Link href={address}>{children}</Link>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

function Table({ token }: { token: Tokens.Table }) {
  return (
    <table>
      <thead>
        <tr>
          {token.header.map((cell, index) => (
            <th key={index}>{inline(cell.tokens)}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {token.rows.map((row, index) => (
          <tr key={index}>
            {row.map((cell, at) => (
              <td key={at}>{inline(cell.tokens)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function List({ token }: { token: Tokens.List }) {
  return createElement(
    token.ordered ? 'ol' : 'ul',
    {},
    token.items.map((item, index) => <li key={index}>{blocks(item.tokens)}</li>),
  );
}

function element(token: Token): ReactNode {
  switch (token.type) {
    case 'heading':
      return createElement(
        `h${Math.min(6, Math.max(3, (token as Tokens.Heading).depth + 2))}`,
        {},
        inline(token.tokens),
      );
    case 'paragraph':
      return <p>{inline(token.tokens)}</p>;
    case 'list':
      return <List token={token as Tokens.List} />;
    case 'table':
      return <Table token={token as Tokens.Table} />;
    case 'blockquote':
      return <blockquote>{blocks(token.tokens)}</blockquote>;
    case 'code':
      return (
        <pre>
          <code>{(token as Tokens.Code).text}</code>
        </pre>
      );
    case 'hr':
      return <hr />;
    case 'strong':
      return <strong>{inline(token.tokens)}</strong>;
    case 'em':
      return <em>{inline(token.tokens)}</em>;
    case 'del':
      return <del>{inline(token.tokens)}</del>;
    case 'codespan':
      return <code>{plain((token as Tokens.Codespan).text)}</code>;
    case 'br':
      return <br />;
    case 'link':
      return <Anchor href={(token as Tokens.Link).href}>{inline(token.tokens)}</Anchor>;
    case 'image':
      return <span className="faint">[{(token as Tokens.Image).text}]</span>;
    case 'text':
      return token.tokens ? inline(token.tokens) : plain((token as Tokens.Text).text);
    case 'escape':
      return plain((token as Tokens.Escape).text);
    case 'space':
    case 'def':
      return null;
    default: // html among them: the text it is
      return token.raw;
  }
}
const inline = (tokens: Token[] | undefined): ReactNode =>
  (tokens ?? []).map((token, index) => <span key={index}>{element(token)}</span>);
const blocks = (tokens: Token[] | undefined): ReactNode =>
  (tokens ?? []).map((token, index) => <div key={index}>{element(token)}</div>);

export function Markdown({ text }: { text: string }) {
  const tokens = useMemo(() => lexer(text, { gfm: true }), [text]);
  return <div className="markdown">{blocks(tokens)}</div>;
}
