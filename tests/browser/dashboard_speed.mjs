// How long a dashboard takes in a cold browser: node dashboard_speed.mjs SESSION_FILE, which holds {url, token}.
// Prints {computed_ms, known_ms, first_ms, answer_ms}.
import { readFileSync } from 'node:fs';
import { check, launch } from './browser.mjs';

const { url, token } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const kRounds = 5;
const median = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)];

// From the start of the navigation until the last tile is there.
async function look(browser) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 3000 },
    extraHTTPHeaders: { Authorization: `Bearer ${token}` },
  });
  const page = await context.newPage();
  const begin = performance.now();
  await page.goto(url + '/dashboards/air/speed', { waitUntil: 'commit' });
  await page.waitForFunction(() => document.querySelector('.tile-number, .tile canvas') !== null, null, { polling: 5 });
  const first = performance.now() - begin;
  const isDone = () => {
    const tiles = [...document.querySelectorAll('.tile')];
    const drawn = (tile) => tile.querySelector('.tile-number, canvas') && tile.getAttribute('aria-busy') === 'false';
    return tiles.length === 20 && tiles.every(drawn);
  };
  await page.waitForFunction(isDone, null, { polling: 5 });
  const all = performance.now() - begin;
  await context.close();
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
const warm = await browser.newContext();
await (await warm.newPage()).goto(url + '/login');
await warm.close();
const computed = await look(browser);
const looks = [];
for (let round = 0; round < kRounds; round += 1) looks.push(await look(browser));
await browser.close();
const answers = [];
await answer();
for (let round = 0; round < 100; round += 1) answers.push(await answer());
check(answers.every(({ known }) => known), 'answers were computed again');
console.log(
  JSON.stringify({
    computed_ms: computed.all,
    known_ms: median(looks.map(({ all }) => all)),
    first_ms: median(looks.map(({ first }) => first)),
    answer_ms: median(answers.map(({ ms }) => ms)),
  }),
);
