// The frame of every page: its title, what it is, its one main action, and the file or API behind it.
import { Anchor } from '@mantine/core';
import { useEffect, type ReactNode } from 'react';
import { Link } from 'wouter';
import { CopyIcon } from './copy';
import { Icon } from './icons';

export interface Behind {
  file?: string;
  api?: string; // a GET, which can be opened
  post?: string;
}

export function BehindLink({ file, api, post }: Behind) {
  return (
    <span className="behind">
      {file && (
        <Link href={`/workspace?file=${encodeURIComponent(file)}`} title="The file that defines this">
          <Icon name="folder" size={14} />
          <code>{file}</code>
        </Link>
      )}
      {post && (
        <Link href={`/status?q=${encodeURIComponent(post)}`} title="The API call behind this page">
          <Icon name="code" size={14} />
          <code>POST /api/v1{post}</code>
        </Link>
      )}
      {api && (
        <a href={`/api/v1${api}`} target="_blank" rel="noreferrer" title="The API call behind this page">
          <Icon name="code" size={14} />
          <code>GET /api/v1{api.split('?')[0]}</code>
        </a>
      )}
    </span>
  );
}

export interface PageProps {
  title: string;
  subtitle?: ReactNode;
  above?: { text: string; href: string };
  status?: ReactNode;
  action?: ReactNode;
  behind?: Behind;
  copy?: string;
  fill?: boolean; // the content takes the window's height and scrolls inside
  children: ReactNode;
}

export function Page(props: PageProps) {
  useEffect(() => {
    document.title = `${props.title} · Tarn`;
  }, [props.title]);
  return (
    <main className={props.fill ? 'page fill' : 'page'} id="content" tabIndex={-1}>
      <header className="page-header">
        <div className="page-heading">
          {props.above && (
            <Anchor component={Link} href={props.above.href} className="above">
              {props.above.text}
              <Icon name="right" size={12} />
            </Anchor>
          )}
          <div className="page-title">
            <h1>{props.title}</h1>
            {props.copy && <CopyIcon text={props.copy} label="Copy the name" />}
            {props.status}
          </div>
          {props.subtitle && <p className="subtitle">{props.subtitle}</p>}
          {props.behind && <BehindLink {...props.behind} />}
        </div>
        {props.action && <div className="page-action">{props.action}</div>}
      </header>
      {props.children}
    </main>
  );
}

export function Section(props: { title: string; note?: ReactNode; action?: ReactNode; children: ReactNode }) {
  return (
    <section className="section">
      <header>
        <h2>{props.title}</h2>
        {props.note && <span className="faint small">{props.note}</span>}
        <span className="grow" />
        {props.action}
      </header>
      {props.children}
    </section>
  );
}

export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
