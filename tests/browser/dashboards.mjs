// Dashboards in a browser: node dashboards.mjs BASE_URL LOGIN_LINK SCREENSHOTS
// Prints a JSON line for each scenario: {name, error, complaints, measured}.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { check, play } from './browser.mjs';

const [base, link, screenshots] = process.argv.slice(2);
const kGallery = base + '/dashboards/shop/gallery';
const kAxe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const kKinds = ['number', 'line', 'area', 'bar', 'scatter', 'heatmap', 'pivot', 'funnel', 'map', 'table', 'text'];

const tile = (page, name) => page.getByRole('region', { name, exact: true });
const behind = (page, name) => tile(page, name).getByRole('button', { name: `What is behind ${name}` });

async function settled(page) {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.locator('.tile[aria-busy=true]').first().waitFor({ state: 'detached' });
  await page.waitForTimeout(300);
}

async function saved(page, item) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: item }).click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

async function everyKind({ page, shot }) {
  await page.setViewportSize({ width: 1280, height: 2900 });
  await page.goto(kGallery);
  await tile(page, 'Orders').getByText('2,000', { exact: true }).waitFor();
  await tile(page, 'Revenue').getByText(/^\$[\d,]+\.\d\d$/).waitFor();
  await tile(page, 'Dear ones').getByText(/^\d\d\.\d %$/).waitFor();
  await tile(page, 'Revenue by item').getByRole('columnheader', { name: 'paper' }).waitFor();
  await tile(page, 'On the way').getByText('40.0 % of the last, 12.0 % of all').waitFor();
  await tile(page, 'About').getByRole('link', { name: 'a link' }).waitFor();
  await settled(page);
  for (const kind of kKinds) check((await page.locator(`.tile.${kind}`).count()) > 0, `no tile is a ${kind}`);
  check((await page.locator('.tile [role=img]').count()) === 9, `${await page.locator('.tile [role=img]').count()} charts`);
  await shot('light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForTimeout(500);
  await shot('dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await behind(page, 'By country').click();
  await page.getByRole('menuitem', { name: 'Show as table' }).click();
  await tile(page, 'By country').getByRole('grid', { name: 'By country' }).waitFor();
}

async function filters({ page, shot }) {
  await page.goto(kGallery);
  const orders = tile(page, 'Orders').locator('.tile-number');
  await orders.getByText('2,000').waitFor();
  await page.getByRole('combobox', { name: 'country' }).click();
  await page.getByRole('option', { name: 'CH' }).click();
  await page.waitForURL('**country=CH*');
  await orders.getByText('500', { exact: true }).waitFor();
  await page.getByRole('option', { name: 'BR' }).click();
  await orders.getByText('1,000').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^ordered/ }).click();
  await page.locator('.dates-choice').getByLabel('from').fill('2026-03-01');
  await page.locator('.dates-choice').getByLabel('to').fill('2026-03-07');
  await page.locator('.dates-choice').getByLabel('to').press('Enter');
  await page.waitForURL('**ordered=2026-03-01..2026-03-07*');
  const url = page.url();
  await settled(page);
  const seen = await orders.innerText();
  check(Number(seen.replace(',', '')) < 300, `${seen} orders in a week`);
  await shot('');
  await page.goto('about:blank');
  await page.goto(url);
  await orders.getByText(seen, { exact: true }).waitFor();
  await page.getByLabel('at least').fill('17');
  await page.getByLabel('at least').press('Enter');
  await page.waitForURL('**least=17*');
  await page.getByRole('button', { name: 'Reset' }).click();
  await orders.getByText('2,000').waitFor();
}

// The middle of the drawing: of a heat map a cell, of a funnel the first bar.
async function clicksOnMarks({ page, shot }) {
  await page.setViewportSize({ width: 1280, height: 2900 });
  await page.goto(kGallery);
  const orders = tile(page, 'Orders').locator('.tile-number');
  await orders.getByText('2,000').waitFor();
  await tile(page, 'Revenue by item').getByRole('row', { name: /^CH/ }).getByRole('cell').first().click();
  await page.getByRole('menuitem', { name: 'Only country = CH' }).click();
  await page.waitForURL('**shop.orders.country=CH*');
  await orders.getByText('500', { exact: true }).waitFor();
  await tile(page, 'Places').getByText('country does not apply here').waitFor();
  const heat = tile(page, 'Country and item').getByRole('img');
  await settled(page);
  await heat.click();
  await page.getByRole('menuitem', { name: 'Only country = CH' }).waitFor();
  await shot('menu');
  await page.getByRole('menuitem', { name: 'The rows behind it' }).click();
  const rows = page.getByRole('dialog').getByRole('grid', { name: 'Rows behind' });
  await rows.getByText('paper').first().waitFor();
  check((await rows.getByText('ink', { exact: true }).count()) === 0, 'rows of another mark');
  await page.waitForURL('**mark=*');
  await page.reload();
  await rows.getByText('paper').first().waitFor();
  await shot('rows');
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Take off shop.orders.country = CH' }).click();
  await orders.getByText('2,000').waitFor();
}

async function takenAlong({ page }) {
  await page.goto(kGallery);
  await settled(page);
  await behind(page, 'By country').click();
  const csv = await saved(page, 'Save as CSV');
  check(csv.name === 'By country.csv', csv.name);
  check(csv.bytes.toString() === 'country,orders\nDE,1000\nBR,500\nCH,500\n' || csv.bytes.toString() === 'country,orders\nDE,1000\nCH,500\nBR,500\n', csv.bytes.toString());
  await behind(page, 'By country').click();
  const png = await saved(page, 'Save as PNG');
  check(png.name === 'By country.png' && png.bytes.subarray(1, 4).toString() === 'PNG' && png.bytes.length > 5000, png.name);
}

// Nothing that a name, a value, a shape or a text says is run.
async function hostile({ page, shot }) {
  await page.setViewportSize({ width: 1280, height: 2400 });
  await page.goto(base + '/dashboards/shop/hostile');
  await settled(page);
  const marks = page.locator('.tile [role=img]');
  for (let at = 0; at < (await marks.count()); at += 1) {
    const box = await marks.nth(at).boundingBox();
    for (const x of [0.2, 0.35, 0.5, 0.65, 0.8]) {
      for (const y of [0.25, 0.5, 0.75]) await page.mouse.move(box.x + box.width * x, box.y + box.height * y);
    }
  }
  await page.waitForTimeout(300);
  await shot('');
  const heat = page.locator('.tile.heatmap [role=img]');
  await heat.hover();
  await page.locator('.chart-tooltip:visible').getByText('<img src=x').first().waitFor();
  const found = await page.evaluate(() => ({
    hacked: window.hacked,
    inserted: document.querySelectorAll('main img[src="x"], main script, body > div img[src="x"]').length,
    links: [...document.querySelectorAll('main a[href]')].map((a) => a.getAttribute('href')).filter((href) => /^\s*(javascript|data|vbscript):/i.test(href)),
  }));
  check(found.hacked === undefined, 'a script of the data ran');
  check(found.inserted === 0 && found.links.length === 0, JSON.stringify(found));
  await page.locator('.tile.table').getByRole('button', { name: /^What is behind/ }).click();
  const csv = (await saved(page, 'Save as CSV')).bytes.toString();
  const [head, row] = csv.trimEnd().split('\n');
  check(head.includes('<img'), head);
  check(row === "<img src=x onerror=window.hacked=1>,'=HYPERLINK(1),'+1+1,-5,'\t=1,'@a", JSON.stringify(row));
  const policy = (await page.request.get(base + '/')).headers()['content-security-policy'];
  check(policy.startsWith("default-src 'self'") && !/script-src|unsafe-eval/.test(policy), policy);
}

// The dashboard of a file: what changes is shown as lines and taken along, nothing is saved.
async function editsAFile({ page, shot }) {
  await page.setViewportSize({ width: 1280, height: 1400 });
  await page.goto(kGallery);
  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  await tile(page, 'By country').getByRole('button', { name: 'Wider By country' }).click();
  await tile(page, 'By country').getByRole('button', { name: 'Earlier By country' }).click();
  await tile(page, 'Revenue').getByRole('button', { name: 'Edit Revenue' }).click();
  await page.getByRole('dialog').getByLabel('Title').fill('Money');
  await page.getByRole('dialog').getByRole('button', { name: 'Change the tile' }).click();
  await tile(page, 'Money').getByText('$18,967.00').waitFor();
  await shot('board');
  check((await page.getByRole('button', { name: 'Save', exact: true }).count()) === 0, 'a file can be saved over');
  await page.getByRole('button', { name: 'As a file' }).click();
  const diff = page.getByLabel('What changes');
  await diff.getByText('use_cases', { exact: false }).first().waitFor({ state: 'detached' });
  const lines = (await diff.innerText()).split('\n').filter((line) => /^[+-]/.test(line));
  check(lines.length === 4 && lines.some((line) => line.startsWith('+') && line.includes('title: Money, format: "$0,0.00"')) && lines.some((line) => line.startsWith('+') && line.includes('title: By country, width: 7')), lines.join('\n'));
  await shot('diff');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()]);
  check(download.suggestedFilename() === 'gallery.dashboard.yaml', download.suggestedFilename());
  const text = readFileSync(await download.path(), 'utf8');
  check(text.startsWith('# Every kind of tile there is.\n') && text.includes('title: Money'), text);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Undo' }).click();
  await tile(page, 'Revenue').waitFor();
  await page.getByRole('button', { name: 'Discard' }).click();
  await tile(page, 'Revenue').getByRole('button', { name: 'What is behind Revenue' }).waitFor();
}

async function made({ page, shot, watched }) {
  await page.goto(base + '/dashboards');
  await page.getByRole('button', { name: 'New dashboard' }).click();
  await page.getByRole('textbox', { name: 'Title' }).fill('My own 1');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.waitForURL('**/dashboards/shop/my_own_1?edit=1');
  await page.getByRole('button', { name: '+ Add a tile' }).click();
  const form = page.getByRole('dialog');
  await form.getByLabel('Title').fill('Per country');
  await form.getByLabel('SELECT').fill('SELECT country, sum(price) AS revenue\nFROM shop.orders\nGROUP BY 1');
  await form.getByRole('button', { name: 'Add the tile' }).click();
  await tile(page, 'Per country').getByRole('img').waitFor();
  await page.getByText('YAML', { exact: true }).click();
  const yaml = page.getByLabel('The dashboard as YAML');
  check((await yaml.inputValue()).includes('  - bar: |-\n      SELECT country, sum(price) AS revenue\n'), await yaml.inputValue());
  await yaml.fill('# mine\n' + (await yaml.inputValue()) + '  - {number: SELECT nothing FROM, title: N}\n');
  await page.getByRole('alert').getByText(/tile "N"/).waitFor();
  check(await page.getByRole('button', { name: 'Save', exact: true }).isDisabled(), 'what is wrong can be saved');
  await yaml.fill((await yaml.inputValue()).replace('SELECT nothing FROM', 'SELECT 7'));
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await tile(page, 'N').getByText('7', { exact: true }).waitFor();
  await shot('');
  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  await tile(page, 'N').getByRole('button', { name: 'Remove N' }).click();
  await tile(page, 'N').waitFor({ state: 'detached' });
  watched.expected.push('/api/v1/dashboards/shop/my_own_1');
  await page.evaluate(async () => {
    const theirs = await (await fetch('/api/v1/dashboards/shop/my_own_1')).json();
    const text = theirs.text.replace('My own 1', 'Theirs');
    await fetch('/api/v1/dashboards/shop/my_own_1', { method: 'PUT', body: JSON.stringify({ text }), headers: { 'If-Match': `"${theirs.hash}"`, 'Content-Type': 'application/json' } });
  });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('alert').getByText(/somebody else/).waitFor();
  await page.getByRole('button', { name: 'Save a copy' }).click();
  await page.getByRole('button', { name: 'Save the copy' }).click();
  await page.waitForURL('**/dashboards/shop/my_own_1_copy');
  await tile(page, 'Per country').getByRole('img').waitFor();
  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  await page.getByRole('button', { name: 'Delete the dashboard My own 1' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the dashboard My own 1' }).click();
  await page.waitForURL('**/dashboards');
  await page.getByText('Theirs').waitFor();
}

async function accessible({ page }) {
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const path of ['', '?tile=5&mark=%5B%5B0%2C%22CH%22%5D%5D', '?edit=1']) {
      await page.goto(kGallery + path);
      await settled(page);
      await page.evaluate(kAxe);
      const found = await page.evaluate(async () => {
        const tags = { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] };
        const { violations } = await globalThis.axe.run(document, { runOnly: tags, resultTypes: ['violations'] });
        return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 160)}`);
      });
      check(found.length === 0, `${path} ${scheme}: ${found.join('\n')}`);
    }
  }
}

async function phone({ page, shot }) {
  await page.setViewportSize({ width: 390, height: 4200 });
  await page.goto(kGallery);
  await settled(page);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  check(width <= 390, `${width} pixels wide on a phone`);
  await shot('');
}

async function reports({ page, shot }) {
  await page.goto(base + '/dashboards/shop/sent');
  const row = page.getByRole('row', { name: /^monday/ });
  await row.getByText('never sent').waitFor();
  await row.getByText('0 7 * * mon Europe/Zurich').waitFor();
  await page.getByRole('button', { name: 'Download', exact: true }).click();
  const pdf = await saved(page, 'PDF, by pages');
  check(pdf.name === 'shop.sent.pdf' && pdf.bytes.subarray(0, 4).toString() === '%PDF', `${pdf.name} is no PDF`);
  await row.getByRole('button', { name: 'Send now' }).click();
  await row.getByRole('link', { name: /not sent/ }).waitFor({ timeout: 60_000 });
  await page.getByRole('heading', { name: 'Reports by mail' }).scrollIntoViewIfNeeded();
  await shot('sent');
}

const scenarios = {
  everyKind,
  filters,
  clicksOnMarks,
  takenAlong,
  hostile,
  editsAFile,
  made,
  reports,
  accessible,
  phone,
};

await play(scenarios, { base, link, screenshots, prefix: 'dashboards', height: 900 });
