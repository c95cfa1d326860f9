// How long a dashboard takes in a browser: node dashboard_speed.mjs SESSION_FILE, which holds {url, token}.
// Prints {computed_ms, cold_ms, warm_ms, first_ms, answer_ms}: cold is a browser that was never here, warm one that was.
import { readFileSync } from 'node:fs';
import { check, launch } from './browser.mjs';

const { url, token } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const kRounds = 5;
const median = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)];

// From the start of the navigation until all tiles have their answers and what the window shows is drawn.
async function contextOf(browser) {
  return browser.newContext({
    viewport: { width: 1280, height: 900 },
    extraHTTPHeaders: { Authorization: `Bearer ${token}` },
  });
}
async function look(context) {
  const page = await context.newPage();
  const begin = performance.now();
  await page.goto(url + '/dashboards/air/speed', { waitUntil: 'commit' });
  await page.waitForFunction(() => document.querySelector('.tile-number, .tile canvas') !== null, null, { polling: 5 });
  const first = performance.now() - begin;
  const isDone = () => {
    const tiles = [...document.querySelectorAll('.tile')];
    const answered = (tile) => tile.getAttribute('aria-busy') === 'false' && !tile.querySelector('[aria-label=Loading]');
    if (tiles.length !== 20 || !tiles.every(answered)) return false; // where tiles lie costs a layout: asked last
    const seen = tiles.filter((tile) => tile.getBoundingClientRect().top < window.innerHeight);
    return seen.every((tile) => tile.querySelector('.tile-number, canvas'));
  };
  await page.waitForFunction(isDone, null, { polling: 5 });
  const all = performance.now() - begin;
  await page.close();
  return { first, all };
}

async function answer() {
  const begin = performance.now();
  const got = await fetch(`${url}/api/v1/dashboards/air/speed/tiles/1?time_zone=UTC`, { headers: { Authorization: `Bearer ${token}` } });
  const data = await got.json();
  check(got.ok, JSON.stringify(data));
  return { ms: performance.now() - begin, known: data.from_cache };
}

const browser = await launch();
const started = await browser.newContext();
await (await started.newPage()).goto(url + '/login');
await started.close();
const again = await contextOf(browser);
const computed = await look(again);
const cold = [];
const warm = [];
for (let round = 0; round < kRounds; round += 1) {
  const fresh = await contextOf(browser);
  cold.push(await look(fresh));
  await fresh.close();
  warm.push(await look(again));
}
await browser.close();
const answers = [];
await answer();
for (let round = 0; round < 100; round += 1) answers.push(await answer());
check(answers.every(({ known }) => known), 'answers were computed again');
console.log(
  JSON.stringify({
    computed_ms: computed.all,
    cold_ms: median(cold.map(({ all }) => all)),
    warm_ms: median(warm.map(({ all }) => all)),
    first_ms: median(warm.map(({ first }) => first)),
    answer_ms: median(answers.map(({ ms }) => ms)),
  }),
);
