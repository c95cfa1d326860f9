// The pages of topics in a browser: node topics.mjs BASE_URL LOGIN_LINK SCREENSHOTS, with what test_topics_pages.py made.
// Prints a JSON line for each scenario: {name, error, complaints, measured}.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { check, play } from './browser.mjs';

const [base, link, screenshots] = process.argv.slice(2);
const kAxe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const button = (page, name) => page.getByRole('button', { name, exact: true });
const table = (page, name) => page.getByRole('table', { name, exact: true });
const api = async (page, method, path, data) => {
  const answer = await page.request.fetch(`${base}/api/v1${path}`, { method, data, headers: { Origin: base } });
  check(answer.ok(), `${method} ${path}: ${answer.status()} ${await answer.text()}`);
  return answer.json();
};
const put = (page, topic, ...records) => api(page, 'POST', `/topics/${topic}/records`, { records });

// Nothing serious that axe finds, in light and dark.
async function readable(page, what) {
  await page.evaluate(kAxe);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(300);
    const found = await page.evaluate(async () => {
      const runOnly = { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] };
      const { violations } = await globalThis.axe.run(document, { runOnly, resultTypes: ['violations'] });
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`);
    });
    check(found.length === 0, `${what} ${colorScheme}: ${found.join('\n')}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

// By the keyboard alone: to the page, to a topic, a new one.
async function list({ page, shot, watched }) {
  // The name is refused, and a page that still shows what is deleted asks for it once more.
  watched.expected.push('/api/v1/topics/no%20name', '/api/v1/topics/made.here');
  await page.goto(base + '/');
  await page.getByRole('navigation', { name: 'Places' }).waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.waitForURL('**/topics');
  const row = table(page, 'Topics').getByRole('row', { name: /^orders/ });
  await row.waitFor();
  check((await row.innerText()).includes('1,200'), await row.innerText());
  await shot('');
  await readable(page, 'the list');
  await row.focus();
  await page.keyboard.press('Enter');
  await page.waitForURL('**/topics/orders');
  await page.goto(base + '/topics');
  await button(page, 'Create a topic').click();
  await page.getByLabel('Name').fill('no name');
  await button(page, 'Create it').click();
  await page.getByText('can\'t be a topic\'s name', { exact: false }).waitFor();
  await shot('refused');
  await page.getByLabel('Name').fill('made.here');
  await page.getByLabel('Partitions').fill('3');
  await readable(page, 'a new topic');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/topics/made.here');
  await page.getByText('No records', { exact: true }).waitFor();
  await shot('empty');
  await button(page, 'Delete made.here').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete made.here' }).click();
  await page.waitForURL('**/topics');
  await page.getByRole('row', { name: /^made.here/ }).waitFor({ state: 'detached' });
}

async function records({ page, shot }) {
  await page.goto(base + '/topics/orders');
  const rows = table(page, 'Records').locator('tbody tr');
  await rows.first().waitFor();
  check((await rows.count()) === 100, `${await rows.count()} rows`);
  check((await rows.first().innerText()).includes('"id":1199'), 'the newest is not the first');
  await shot('');
  await readable(page, 'records');
  await button(page, 'Show older ones').click();
  await rows.nth(150).waitFor();
  // The text is in the address: the page opened there shows the same.
  await page.getByLabel('With the text').fill('"id":77}');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=/);
  await page.getByText('1 record of 1,200 looked at').waitFor();
  await page.reload();
  await rows.first().waitFor();
  check((await rows.count()) === 1, 'the filter is gone after a reload');
  await rows.first().focus();
  await page.keyboard.press('Enter');
  const drawer = page.getByRole('dialog');
  await drawer.getByLabel('Value', { exact: true }).getByText('"id": 77').waitFor();
  await shot('json');
  await readable(page, 'a record');
  await drawer.getByLabel('Value as').getByText('Bytes').click();
  await drawer.getByLabel('Value', { exact: true }).getByText('00000000  7b 22', { exact: false }).waitFor();
  await shot('bytes');
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    drawer.getByRole('button', { name: 'Download' }).first().click(),
  ]);
  check(readFileSync(await file.path(), 'utf8').includes('"id":77}'), 'the download is another value');
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'detached' });
  // From the beginning, an offset, a time on.
  await page.goto(base + '/topics/orders?from=oldest');
  await rows.first().waitFor();
  check((await rows.first().innerText()).includes('"id":0}'), 'the oldest is not the first');
  await page.goto(base + '/topics/orders?from=offset&at=250&partition=1');
  await rows.first().waitFor();
  check(/\b250\b/.test(await rows.first().innerText()), await rows.first().innerText());
  await page.goto(base + '/topics/orders?from=time&at=2099-01-01T00:00:00');
  await page.getByText('No records', { exact: true }).waitFor();
  const [lines] = await Promise.all([
    page.waitForEvent('download'),
    page.goto(base + '/topics/odd').then(async () => {
      await rows.first().waitFor();
      await button(page, 'Download these').click();
    }),
  ]);
  check(readFileSync(await lines.path(), 'utf8').trim().split('\n').length === 5, 'not all lines were saved');
}

// Bytes, nothing, long values, and what tries to be a page.
async function hostile({ page, shot }) {
  await page.goto(base + '/topics/odd');
  const rows = table(page, 'Records').locator('tbody tr');
  await rows.first().waitFor();
  await table(page, 'Records').getByText('<img src=x onerror=window.hacked=1>', { exact: false }).first().waitFor();
  await table(page, 'Records').getByText('ff 00 fe', { exact: false }).first().waitFor();
  await table(page, 'Records').getByText('NULL', { exact: true }).first().waitFor();
  await shot('');
  await rows.filter({ hasText: '<img' }).click();
  await page.getByRole('dialog').getByText('"><script>window.hacked=1</script>', { exact: false }).first().waitFor();
  await page.keyboard.press('Escape');
  await rows.filter({ hasText: 'long long' }).click();
  const value = page.getByRole('dialog').getByLabel('Value', { exact: true });
  await value.getByText('the end of it', { exact: false }).waitFor(); // it is asked for whole
  await shot('long');
  const found = await page.evaluate(() => ({
    hacked: window.hacked,
    inserted: document.querySelectorAll('main img, main script, [role=dialog] img, [role=dialog] script').length,
  }));
  check(found.hacked === undefined && found.inserted === 0, JSON.stringify(found));
  await page.goto(base + '/topics/odd?record=0:99999');
  await page.getByText('It is gone').waitFor();
}

async function live({ page, shot, note }) {
  await page.goto(base + '/topics/live');
  await page.getByText('No records', { exact: true }).waitFor();
  await page.getByRole('switch', { name: 'Live' }).focus();
  await page.keyboard.press('Space');
  await page.locator('main .status').getByText('live', { exact: true }).waitFor();
  const rows = table(page, 'Records').locator('tbody tr');
  const ages = [];
  for (let index = 0; index < 5; index += 1) {
    const begun = Date.now();
    await put(page, 'live', { key: `k${index}`, value: `at once ${index}` });
    await rows.filter({ hasText: `at once ${index}` }).waitFor();
    ages.push(Date.now() - begun);
  }
  note({ live_record_seen_ms: Math.max(...ages) });
  check(Math.max(...ages) < 2000, `records were seen after ${ages} ms`);
  check((await rows.first().innerText()).includes('at once 4'), 'the newest is not the first');
  await shot('');
  await readable(page, 'the live tail');
  // A flood: the page keeps a bounded part, and says so.
  const many = Array.from({ length: 9000 }, (_, index) => ({ value: `flood ${index}` }));
  await put(page, 'live', ...many);
  await put(page, 'live', { value: 'after the flood' });
  await rows.filter({ hasText: 'after the flood' }).waitFor();
  check((await rows.count()) <= 500, `${await rows.count()} rows are held`);
  await page.getByText('were left out', { exact: false }).or(page.getByText('are shown', { exact: false })).first().waitFor();
  await shot('flood');
  await page.getByRole('switch', { name: 'Live' }).focus();
  await page.keyboard.press('Space');
  await page.getByText('looked at', { exact: false }).waitFor();
}

async function produce({ page, shot }) {
  await page.goto(base + '/topics/made');
  await button(page, 'Produce').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Value').fill('{"from": "the page"}');
  await dialog.getByLabel('Key').fill('k1');
  await dialog.getByLabel('Headers').fill('no header');
  await dialog.getByText('A line is name: value').first().waitFor();
  await dialog.getByLabel('Headers').fill('origin: browser');
  await readable(page, 'the producing form');
  await dialog.getByRole('button', { name: 'Produce it' }).click();
  await dialog.getByText('on the disk: partition 0, offset 0').waitFor();
  await shot('');
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await table(page, 'Records').getByText('{"from": "the page"}').click();
  await page.getByRole('dialog').getByText('origin').waitFor();
  const { records: stored } = await api(page, 'GET', '/topics/made/records');
  check(stored[0].key === 'k1' && stored[0].headers[0].value === 'browser', JSON.stringify(stored));
}

async function settings({ page, shot, watched }) {
  watched.expected.push('/api/v1/topics/made/settings'); // a value is refused
  await page.goto(base + '/topics/made?tab=settings');
  const row = table(page, 'Settings').getByRole('row', { name: /^retention\.ms/ });
  await row.waitFor();
  await shot('');
  await readable(page, 'settings');
  await row.focus();
  await page.keyboard.press('Enter');
  const value = page.getByRole('dialog').getByLabel('Value');
  await value.fill('soon');
  await button(page, 'Set it').click();
  await page.getByText('retention.ms can\'t be "soon"', { exact: false }).waitFor();
  await shot('refused');
  await value.fill('3600000');
  await button(page, 'Set it').click();
  await row.getByText('3600000').waitFor();
  await row.click();
  await button(page, 'Back to the default').click();
  await row.getByText('604800000').waitFor();
  await page.getByRole('tab', { name: 'Partitions' }).click();
  await page.waitForURL('**/topics/made?tab=partitions');
  await page.getByLabel('Partitions there are to be').fill('4');
  await button(page, 'Add partitions').click();
  await table(page, 'Partitions').locator('tbody tr').nth(3).waitFor();
  await shot('partitions');
  await readable(page, 'partitions');
}

async function groups({ page, shot }) {
  await page.goto(base + '/topics/orders?tab=consumers');
  await table(page, 'Consumers').getByRole('row', { name: /^billing/ }).getByText('1,200').waitFor();
  await shot('consumers');
  await page.goto(base + '/topics?view=groups');
  const row = table(page, 'Consumer groups').getByRole('row', { name: /^billing/ });
  await row.getByText('nobody reads').waitFor();
  await table(page, 'Consumer groups').getByRole('row', { name: /^working/ }).getByText('stable').waitFor();
  await shot('list');
  await readable(page, 'groups');
  await row.click();
  await page.waitForURL('**/topics/groups/billing');
  await button(page, 'Reset offsets').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('combobox', { name: 'To' }).or(dialog.getByLabel('To', { exact: true })).first().click();
  await page.getByRole('option', { name: 'the end' }).click();
  await dialog.getByRole('button', { name: 'See what would change' }).click();
  await dialog.getByRole('table').getByText('400').first().waitFor();
  await shot('seek');
  await readable(page, 'the reset');
  await dialog.getByRole('button', { name: 'Reset them' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByText('nobody reads').first().waitFor();
  const seen = await api(page, 'GET', '/consumer-groups/billing');
  check(seen.lag === 0, `the lag is ${seen.lag}`);
  await shot('group');
  await page.goto(base + '/topics/groups/working');
  await table(page, 'Members').getByText('orders 0, 1, 2').waitFor();
  check(await button(page, 'Reset offsets').isDisabled(), 'offsets of a group with members can be reset');
  await shot('working');
  await readable(page, 'a group');
}

// Who may see a topic and not read it, who may see nothing, what is not there, and a server that does not answer.
async function badDays({ page, shot, watched }) {
  watched.expected.push('/api/v1/topics', '/api/v1/consumer-groups/');
  await page.goto(base + '/topics/nosuch');
  await page.getByText('there is no topic nosuch', { exact: false }).waitFor();
  await shot('missing');
  await page.goto(base + '/topics/groups/nosuch');
  await page.getByText('there is no group nosuch', { exact: false }).waitFor();
  const other = await page.context().browser().newContext({ viewport: { width: 1280, height: 900 } });
  const guest = await other.newPage();
  await guest.goto(base + '/login');
  await guest.getByLabel('User').fill('guest');
  await guest.getByRole('textbox', { name: 'Password' }).fill('guest of topics 1');
  await guest.getByRole('button', { name: 'Log in' }).click();
  await guest.waitForURL(base + '/');
  await guest.goto(base + '/topics');
  const rows = table(guest, 'Topics').locator('tbody tr');
  await rows.first().waitFor();
  check((await rows.count()) === 1, 'a guest sees other topics');
  await guest.goto(base + '/topics/orders');
  await guest.getByText('You may not read its records').waitFor();
  check(await button(guest, 'Produce').isDisabled(), 'a guest may produce');
  await guest.screenshot({ path: `${screenshots}/topics_guest.png` });
  await guest.goto(base + '/topics/odd');
  await guest.getByText('may not', { exact: false }).first().waitFor();
  await guest.goto(base + '/topics?view=groups');
  await guest.getByText('No groups', { exact: true }).waitFor();
  await other.close();
  await page.route('**/api/v1/topics', (route) => route.abort());
  await page.goto(base + '/topics');
  await page.getByText('Tarn does not answer', { exact: false }).first().waitFor();
  await shot('gone');
}

const scenarios = { list, records, hostile, live, produce, settings, groups, badDays };

await play(scenarios, { base, link, screenshots, prefix: 'topics', height: 1000 });
