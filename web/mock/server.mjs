// A stand-in for the API while pages are made: `npm run mock`, then `npm run dev`. It also serves dist/ with the headers
// that Tarn sends, so that a build can be looked at. Never shipped.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import * as data from './data.mjs';

const port = Number(process.env.PORT ?? 8099);
const dist = join(import.meta.dirname, '..', 'dist');
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const policy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
let loggedIn = false;
let answered = 0;

const json = (response, body, status = 200) => {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
};
const refuse = (response, status, code, message, more = {}) =>
  json(response, { error: { code, message, ...more } }, status);

function sql(response, body) {
  const at = body.sql.search(/\bform\b/i);
  const hint = { hint: 'write FROM', position: at + 1 };
  if (at >= 0) return refuse(response, 400, 'syntax', 'syntax error at or near "form"', hint);
  const wait = /sleep/.test(body.sql) ? 8000 : 120;
  setTimeout(() => json(response, data.sqlResult(body.sql, body.limit ?? 1000)), wait);
}

function events(request, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  const tick = () => response.write('event: tick\ndata: {"idle": false}\n\n');
  tick();
  const timer = setInterval(tick, 2000);
  request.on('close', () => clearInterval(timer));
}

const changes = {
  '/login': (response) => {
    loggedIn = true;
    json(response, data.me);
  },
  '/logout': (response) => {
    loggedIn = false;
    json(response, {});
  },
  '/sql': sql,
  '/workspace/plan': (response) => json(response, data.plan),
  '/workspace/apply': (response) => json(response, data.plan),
  '/runs': (response) => json(response, { runs: ['121'] }),
  '/tokens': (response, body) =>
    json(response, { user: 'admin', name: body.name, token: 'tarn_0123456789abcdef' }, 201),
  '/policy/explain': (response, body) =>
    json(response, { ...body, allowed: true, reason: 'role admin allows everything' }),
};
changes['/login/link'] = changes['/login'];

async function change(request, response, path) {
  let text = '';
  for await (const part of request) text += part;
  const handler = changes[path] ?? ((answer) => json(answer, { ok: true, message: 'it answers', runs: ['121'] }));
  handler(response, text ? JSON.parse(text) : {});
}

async function file(response, path) {
  const name = extname(path) ? normalize(path) : '/index.html';
  try {
    const body = await readFile(join(dist, name));
    response.writeHead(200, {
      'Content-Type': types[extname(name)] ?? 'text/plain',
      'Content-Security-Policy': policy,
    });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}

createServer((request, response) => {
  const url = new URL(request.url, 'http://mock');
  if (!url.pathname.startsWith('/api/v1')) return file(response, url.pathname);
  const path = url.pathname.slice('/api/v1'.length);
  if (request.method !== 'GET') return change(request, response, path);
  if (!loggedIn) return refuse(response, 401, 'unauthenticated', 'log in first');
  if (path === '/events') return events(request, response);
  const answer = data.answer(decodeURIComponent(path), url.searchParams, (answered += 1));
  return answer ? json(response, answer) : refuse(response, 404, 'not_found', `there is no ${path}`);
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}`));
