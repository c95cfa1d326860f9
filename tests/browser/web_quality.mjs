// What holds for every page of the web UI: reachable by keyboard, readable by everybody, quick, and clear on bad days.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { check, watch } from './browser.mjs';

const kAxe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const kTags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];
const kPages = [
  '/', '/catalog', '/catalog/rides/by_day', '/catalog/rides/by_day?tab=preview', '/catalog/rides/by_day?tab=versions',
  '/catalog/rides/by_day?tab=lineage', '/catalog/rides/by_day?tab=sql', '/sql', '/dashboards', '/dashboards/rides/trips',
  '/dashboards/rides/trips?tile=0', '/runs', '/runs?view=tasks', '/runs?view=graph', '/runs?view=timeline', '/runs/1', '/runs/compare?a=1&b=2', '/sources', '/workspace',
  '/audit', '/access?tab=users', '/access?tab=roles', '/access?tab=tokens', '/access?tab=explain', '/status',
  '/alerts', '/topics', '/topics?view=groups',
];
const kFirstPaintMsMax = 1000;
const kFirstBytesMax = 300_000;
const kPageChangeMsMax = 100;
const kRoundsMax = 8;

async function settled(page) {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'detached' });
}

// A context of its own: nothing cached, the same login.
async function cold(page, options = {}) {
  const context = await page.context().browser().newContext({
    viewport: { width: 1280, height: 800 },
    storageState: await page.context().storageState(),
    reducedMotion: 'reduce',
    ...options,
  });
  return { context, fresh: await context.newPage() };
}

// No serious violation of WCAG 2.1 AA on any page; in the dark only colours can differ.
export async function accessible({ page, base }) {
  const found = [];
  for (const colorScheme of ['light', 'dark']) {
    const { context, fresh } = await cold(page, { colorScheme });
    for (const path of kPages) {
      await fresh.goto(base + path);
      await settled(fresh);
      await fresh.evaluate(kAxe);
      const runOnly = colorScheme === 'light' ? { type: 'tag', values: kTags } : { type: 'rule', values: ['color-contrast'] };
      const violations = await fresh.evaluate(async (chosen) => {
        const results = await globalThis.axe.run(document, { runOnly: chosen, resultTypes: ['violations'] });
        return results.violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map((node) => node.html) }));
      }, runOnly);
      for (const { id, impact, nodes } of violations) {
        if (impact === 'serious' || impact === 'critical') found.push(`${path} ${colorScheme}: ${id}: ${nodes[0].slice(0, 160)}`);
      }
    }
    await context.close();
  }
  check(found.length === 0, `${found.length} serious violations:\n${found.join('\n')}`);
}

// What has the focus: its name, and whether one sees that it has it.
const focused = () => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const outlined = (each) => {
    const style = getComputedStyle(each);
    return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
  };
  const label = element.type === 'radio' ? element.nextElementSibling : null; // a segment: its label wears the ring
  const seen =
    [element, element.parentElement, label].some((each) => each && outlined(each)) ||
    element.matches('input:not([type=radio]),textarea,.cm-content');
  const box = (label ?? element).getBoundingClientRect();
  element.dataset.reached = 'yes';
  return { html: element.outerHTML.slice(0, 120), seen, inside: box.width > 0 && box.bottom > 0 && box.top < innerHeight };
};

// Tab reaches everything that can be used, each with a focus one sees; the first stop leads past the rail.
export async function reachable({ page, base }) {
  for (const path of ['/', '/catalog', '/catalog/rides/by_day?tab=lineage', '/dashboards/rides/trips', '/runs?view=tasks', '/runs?view=timeline', '/runs/1', '/audit']) {
    await page.goto(base + path);
    await settled(page);
    await page.waitForTimeout(300);
    const stops = [];
    for (let presses = 0; presses < 400; presses += 1) {
      await page.keyboard.press('Tab');
      const stop = await page.evaluate(focused);
      if (stop === null) break;
      stops.push(stop);
    }
    check(stops[0]?.html.includes('class="skip"'), `${path}: the first stop is ${stops[0]?.html}`);
    for (const stop of stops) check(stop.seen && stop.inside, `${path}: the focus cannot be seen on ${stop.html}`);
    const missed = await page.evaluate(() =>
      [...document.querySelectorAll('a[href],button,input,select,textarea,[tabindex="0"]')]
        .filter((each) => !each.dataset.reached && !each.disabled && each.tabIndex >= 0 && each.checkVisibility())
        .filter((each) => !(each.type === 'radio' && each.name)) // one of a group is enough, arrows do the rest
        .map((each) => each.outerHTML.slice(0, 120)),
    );
    check(missed.length === 0, `${path}: Tab never reaches ${missed.join('\n')}`);
  }
}

// The first paint with nothing cached, and what is sent for it.
export async function firstPaint({ page, base, note }) {
  const { context, fresh } = await cold(page);
  await fresh.goto(base + '/');
  await settled(fresh);
  const { paint, bytes } = await fresh.evaluate(() => ({
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
    bytes: performance
      .getEntriesByType('resource')
      .filter((each) => /\.(js|css)$/.test(each.name) && each.startTime < 1400)
      .reduce((sum, each) => sum + each.encodedBodySize, 0),
  }));
  await context.close();
  note({ first_paint_ms: Math.round(paint), first_page_bytes: bytes });
  check(paint !== undefined && paint < kFirstPaintMsMax, `the first paint came after ${paint} ms`);
  check(bytes > 0 && bytes < kFirstBytesMax, `the first page needs ${bytes} bytes of scripts and styles`);
}

// From the key to the next page's title being painted, the best of a few visits: what the page itself needs, not what
// else the machine does.
export async function pageChange({ page, base, note }) {
  const places = { c: 'Catalog', s: 'SQL', d: 'Dashboards', r: 'Runs', o: 'Sources', w: 'Workspace', a: 'Audit', x: 'Access', e: 'Status' };
  await page.goto(base + '/');
  await settled(page);
  await page.waitForTimeout(4000); // the other pages are fetched ahead
  const best = {};
  const isSlow = () => Object.values(best).some((took) => took >= kPageChangeMsMax);
  for (let round = 0; round < 3 || (isSlow() && round < kRoundsMax); round += 1) {
    for (const [key, title] of Object.entries(places)) {
      await page.evaluate((wanted) => {
        globalThis.changed = new Promise((resolve) => {
          let start = 0;
          window.addEventListener('keydown', (event) => event.key !== 'g' && (start ||= event.timeStamp), { capture: true });
          const look = () =>
            start && document.querySelector('h1')?.textContent === wanted
              ? resolve(performance.now() - start)
              : requestAnimationFrame(look);
          look();
        });
      }, title);
      if (await page.locator('.cm-content').count()) await page.evaluate(() => document.activeElement?.blur());
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      const took = await page.evaluate(() => globalThis.changed);
      best[title] = Math.round(Math.min(best[title] ?? Infinity, took));
    }
  }
  note({ page_change_ms: best });
  for (const [title, took] of Object.entries(best)) check(took < kPageChangeMsMax, `going to ${title} took ${took} ms`);
}

const refused = (status, error) => (route) =>
  route.fulfill({ status, contentType: 'application/json', body: JSON.stringify({ error }) });

// Slow, failing, refusing and gone: each is said in words, with what to do next.
export async function badDays({ page, base, shot, watched }) {
  watched.expected.push('/api/v1/');
  await page.route('**/api/v1/catalog', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await route.continue().catch(() => undefined);
  });
  await page.goto(base + '/catalog');
  await page.getByText('Loading…').first().waitFor();
  await shot('slow');
  await page.getByText('rides.by_day').first().waitFor();
  await page.unroute('**/api/v1/catalog');

  await page.route('**/api/v1/sources', refused(500, { code: 'internal', message: 'the disk is full', hint: 'Free some space.' }));
  await page.goto(base + '/sources');
  await page.getByText('The disk is full').waitFor();
  await page.getByText('Free some space.').waitFor();
  await shot('failing');
  await page.unroute('**/api/v1/sources');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('table', { name: 'Streams of fleet' }).waitFor();

  await page.route('**/api/v1/audit?*', refused(403, { code: 'permission_denied', message: 'you may not read the audit log' }));
  await page.goto(base + '/audit');
  await page.getByText('You may not read the audit log').waitFor();
  await page.getByText('Ask an administrator', { exact: false }).waitFor();
  await shot('refused');

  await page.goto(base + '/');
  await page.getByRole('table', { name: 'Runs' }).waitFor();
  await page.route('**/api/v1/**', (route) => route.abort());
  await page.waitForTimeout(2500);
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))); // as coming back to the tab does
  await page.getByText('Tarn does not answer.', { exact: false }).waitFor();
  await page.getByRole('table', { name: 'Runs' }).waitFor(); // what was there stays
  await shot('gone');
}

// Somebody without a role sees what they may, is told about the rest, and nothing breaks.
export async function stranger({ page, base, shot }) {
  const password = 'a lake without a bottom';
  const made = await page.request.post(base + '/api/v1/users', { headers: { Origin: base }, data: { name: 'stranger', password } });
  check(made.ok(), `the user could not be made: ${made.status()} ${await made.text()}`);
  const context = await page.context().browser().newContext({ viewport: { width: 1280, height: 800 } });
  const other = await context.newPage();
  const { complaints, expected } = watch(other);
  expected.push('401', '403', '404'); // the browser notes every refusal
  await other.goto(base + '/login');
  await other.getByLabel('User').fill('stranger');
  await other.getByLabel('Password').first().fill(password);
  await other.getByRole('button', { name: 'Log in' }).click();
  await other.waitForURL(base + '/');
  for (const path of kPages) {
    await other.goto(base + path);
    await settled(other);
    const text = await other.locator('main').innerText();
    check(!/undefined|\[object|NaN/.test(text), `${path} shows ${/.*(undefined|\[object|NaN).*/.exec(text)?.[0]}`);
  }
  await other.goto(base + '/audit');
  await other.getByRole('alert').first().waitFor();
  await other.screenshot({ path: shot.pathOf('audit') });
  await context.close();
  await page.request.delete(base + '/api/v1/users/stranger', { headers: { Origin: base } });
  check(complaints.length === 0, complaints.join('\n'));
}
