// What a person does on each page of the web UI, against a running Tarn with the workspace of tests/functional/test_web.py.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check } from './browser.mjs';

const table = (page, name) => page.getByRole('table', { name });
const button = (page, name) => page.getByRole('button', { name, exact: true });

async function typeSql(page, text) {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
}

async function home({ page, base }) {
  await page.goto(base + '/');
  const picture = page.getByRole('group', { name: 'The way of the data' });
  for (const name of ['trips', 'fleet', 'by_day', 'Trips by day']) {
    await picture.getByText(name, { exact: true }).first().waitFor();
  }
  await picture.getByText('2,000 rows').first().waitFor();
  await page.getByText('Nothing needs you.', { exact: false }).waitFor();
  await table(page, 'Runs').getByText('table:rides.by_day').waitFor();
  await picture.getByText('by_day', { exact: true }).click();
  await page.waitForURL('**/catalog/rides/by_day');
}

async function keyboard({ page, base }) {
  await page.goto(base + '/');
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Find' }).fill('by day');
  await page.getByRole('option').first().waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: /Trips by day|rides.by_day/ }).waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await page.waitForURL('**/runs');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
}

async function theme({ page, base }) {
  await page.goto(base + '/status');
  const scheme = () => page.evaluate(() => document.documentElement.dataset.mantineColorScheme);
  await button(page, 'Switch to dark').click();
  check((await scheme()) === 'dark', 'the switch made nothing dark');
  await page.reload();
  check((await scheme()) === 'dark', 'the choice was forgotten');
  await button(page, 'Switch to light').click();
}

async function catalog({ page, base }) {
  await page.goto(base + '/catalog');
  await table(page, 'rides').getByText('rides.by_day').waitFor();
  await page.getByLabel('Search the catalog').fill('by_day');
  await page.waitForURL('**/catalog?q=by_day');
  await table(page, 'Found').getByText('rides.by_day').click();
  await page.waitForURL('**/catalog/rides/by_day');
}

async function dataset({ page, base, shot }) {
  await page.goto(base + '/catalog/rides/by_day');
  await table(page, 'Columns').getByText('mean_minutes').waitFor();
  await page.getByRole('tab', { name: 'Preview' }).click();
  await page.getByRole('grid', { name: 'Preview' }).getByRole('gridcell').first().waitFor();
  await page.getByRole('tab', { name: 'SQL' }).click();
  await page.getByText('GROUP BY', { exact: false }).first().waitFor();
  await page.getByRole('tab', { name: 'Versions' }).click();
  await table(page, 'Versions').getByRole('row').nth(1).click();
  const drawer = page.getByRole('dialog');
  await drawer.getByText('raw_trips.trips @', { exact: false }).waitFor();
  await shot('version');
  await page.keyboard.press('Escape');
  await page.getByRole('tab', { name: 'Lineage' }).click();
  await page.getByRole('button', { name: 'raw_trips.trips → rides.by_day' }).click();
  await table(page, 'Columns along the edge').getByText('minutes', { exact: true }).waitFor();
}

async function sql({ page, base, shot, watched }) {
  await page.goto(base + '/sql');
  await typeSql(page, "SELECT driver, count(*) AS trips, NULL AS nothing FROM raw_trips.trips GROUP BY 1 ORDER BY 1");
  await page.keyboard.press('Control+Enter');
  const grid = page.getByRole('grid', { name: 'Result' });
  await grid.getByText('ada').waitFor();
  check((await grid.locator('.null').count()) > 0, 'NULL is not marked');
  await page.getByRole('link', { name: /raw_trips.trips @/ }).waitFor();
  await shot('rows');
  await page.getByText('Chart', { exact: true }).click();
  await page.locator('.chart canvas').waitFor();
  await shot('chart');
  watched.expected.push('/api/v1/sql');
  await typeSql(page, 'SELECT nonsense FROM raw_trips.trips');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('alert').waitFor();
  await page.locator('.cm-lintRange-error', { hasText: 'nonsense' }).waitFor();
  await shot('error');
  await page.waitForURL(/q=SELECT\+nonsense/);
}

async function sqlCancel({ page, base, watched }) {
  watched.expected.push('/api/v1/sql');
  await page.goto(base + '/sql');
  await typeSql(page, 'SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = 7');
  await button(page, 'Run').click();
  await page.getByText(/Running for/).waitFor();
  await page.waitForTimeout(500);
  await button(page, 'Cancel').click();
  await page.getByText('Cancelled', { exact: true }).waitFor();
  await button(page, 'Run').waitFor();
}

async function sqlMany({ page, base }) {
  await page.goto(base + '/sql?q=' + encodeURIComponent('SELECT * FROM raw_trips.trips ORDER BY id'));
  await button(page, 'Run').click();
  const grid = page.getByRole('grid', { name: 'Result' });
  await grid.getByRole('gridcell').first().waitFor();
  check((await grid.getByRole('row').count()) < 100, 'all rows are in the page: the grid is not virtual');
  await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await grid.getByText('1000', { exact: true }).first().waitFor();
}

async function dashboards({ page, base, shot }) {
  await page.goto(base + '/dashboards');
  await page.getByText('Trips by day').click();
  const trips = page.getByRole('region', { name: 'Trips', exact: true });
  await trips.getByText('2,000', { exact: true }).waitFor();
  await page.locator('.tile canvas').first().waitFor();
  await shot('all');
  await page.getByRole('combobox', { name: 'driver' }).click();
  await page.getByRole('option', { name: 'ada' }).click();
  await page.waitForURL('**driver=ada*');
  await trips.getByText('500', { exact: true }).waitFor();
  const drivers = page.getByRole('region', { name: 'Drivers' });
  await drivers.getByText('driver does not apply here').waitFor();
  await trips.getByRole('button', { name: 'Trips', exact: true }).click();
  const drawer = page.getByRole('dialog');
  await drawer.getByText('driver = ada').waitFor();
  await drawer.getByRole('link', { name: 'Lineage' }).waitFor();
  await shot('behind');
  await drawer.getByRole('link', { name: 'Open in SQL' }).click();
  await page.waitForURL('**/sql?q=*');
  await button(page, 'Run').click();
  await page.getByRole('grid', { name: 'Result' }).getByText('500').waitFor();
}

async function runs({ page, base, shot }) {
  await page.goto(base + '/runs?view=tasks');
  const task = table(page, 'Tasks').getByRole('row', { name: /table:rides.by_day/ });
  await task.getByRole('button', { name: 'Run now' }).click();
  await page.getByText('1 run of table:rides.by_day queued.').waitFor();
  await shot('tasks');
  await page.getByText('Graph', { exact: true }).click();
  await page.getByRole('group', { name: 'Tasks and what they wait for' }).getByText('by_day', { exact: true }).waitFor();
  await page.goto(base + '/runs?task=table%3Arides.by_day');
  await table(page, 'Runs').getByText('hand', { exact: false }).first().waitFor();
  await table(page, 'Runs').getByRole('row').nth(1).click();
  await page.waitForURL(/runs\/\d+/);
  await page.getByLabel('Log').getByText('reads raw_trips.trips', { exact: false }).waitFor();
  await button(page, 'Run again').waitFor();
}

async function sources({ page, base }) {
  await page.goto(base + '/sources');
  await table(page, 'Streams of fleet').getByText('drivers', { exact: true }).waitFor();
  await button(page, 'Check').first().click();
  await page.getByText('answers', { exact: true }).waitFor();
}

async function workspace({ page, base, folder, shot }) {
  await page.goto(base + '/workspace');
  await table(page, 'Files').getByText('use_cases/rides/by_day.sql').waitFor();
  writeFileSync(
    join(folder, 'use_cases/rides/by_driver.sql'),
    '/* tarn\ndescription: Trips a driver.\nkeep: full\n*/\nSELECT driver, count(*) AS trips FROM raw_trips.trips GROUP BY 1\n',
  );
  await button(page, 'Plan').click();
  await table(page, 'Steps').getByText('rides.by_driver', { exact: true }).waitFor();
  await shot('plan');
  await button(page, 'Apply').click();
  await table(page, 'Files').getByText('use_cases/rides/by_driver.sql').waitFor();
  await table(page, 'Files').getByText('use_cases/rides/by_driver.sql').click();
  await page.getByRole('dialog').getByText('GROUP BY', { exact: false }).waitFor();
}

async function audit({ page, base, shot }) {
  await page.goto(base + '/audit');
  await table(page, 'Audit records').getByRole('row').nth(1).waitFor();
  await page.getByLabel('action').fill('sql:Query');
  await page.waitForURL('**action=sql%3AQuery*');
  await page.waitForTimeout(500);
  await table(page, 'Audit records').getByRole('row').nth(1).click();
  await page.getByRole('dialog').getByText('sql:Query').waitFor();
  await shot('record');
  await page.keyboard.press('Escape');
  await button(page, 'Prove the log').click();
  await page.getByText('intact').waitFor();
}

async function access({ page, base, shot }) {
  await page.goto(base + '/access?tab=users');
  await button(page, 'New user').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('grace');
  await dialog.getByLabel('Password').first().fill('compilers and machines');
  await button(page, 'Create the user').click();
  await table(page, 'Users').getByText('grace').waitFor();
  await page.getByRole('button', { name: 'Delete grace' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete grace' }).click();
  await table(page, 'Users').getByText('grace').waitFor({ state: 'detached' });
  await page.getByRole('tab', { name: 'Your tokens' }).click();
  await page.getByLabel('Name').fill('notebook');
  await button(page, 'Create a token').click();
  await page.getByText(/^tarn_/).first().waitFor();
  await table(page, 'Tokens').getByText('notebook').waitFor();
  await shot('token');
  await page.getByRole('tab', { name: 'May I?' }).click();
  await page.getByLabel('On').fill('rides.by_day');
  await button(page, 'Ask').click();
  await page.getByText('allowed', { exact: true }).waitFor();
}

async function health({ page, base }) {
  await page.goto(base + '/status');
  await table(page, 'Components').getByText('orchestrator').waitFor();
  await page.getByLabel('Filter operations').fill('GET /api/v1/audit');
  await table(page, 'Operations').getByText('GET /api/v1/audit', { exact: true }).waitFor();
}

async function phone({ page, base }) {
  await page.setViewportSize({ width: 390, height: 800 });
  for (const path of ['/', '/catalog', '/catalog/rides/by_day', '/runs', '/dashboards/rides/trips', '/sql']) {
    await page.goto(base + path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.waitForTimeout(300);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    check(width <= 390, `${path} is ${width} pixels wide on a phone`);
  }
  await page.goto(base + '/dashboards/rides/trips');
  await page.getByText('2,000', { exact: true }).waitFor();
}

async function nothingThere({ page, base, watched }) {
  watched.expected.push('/api/v1/catalog/rides/gone', '/api/v1/runs/999999');
  await page.goto(base + '/nowhere');
  await page.getByText('There is no page /nowhere').waitFor();
  await page.goto(base + '/catalog/rides/gone');
  await page.getByRole('alert').first().waitFor();
  await page.goto(base + '/runs/999999');
  await page.getByRole('alert').first().waitFor();
}

async function firstPaint({ page, base }) {
  await page.goto(base + '/');
  await page.getByRole('heading', { level: 1 }).waitFor();
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  check(paint !== undefined && paint < 1000, `the first paint came after ${paint} ms`);
}

async function logout({ page, base, watched }) {
  watched.expected.push('401', 'ERR_INCOMPLETE_CHUNKED_ENCODING');
  await page.goto(base + '/runs');
  await button(page, 'You').click();
  await page.getByText('Log out').click();
  await page.waitForURL('**/login');
  await page.goto(base + '/runs');
  await page.waitForURL('**/login?next=%2Fruns');
}

// In this order; the last ends the session.
export const scenarios = {
  home,
  keyboard,
  theme,
  catalog,
  dataset,
  sql,
  sql_cancel: sqlCancel,
  sql_many: sqlMany,
  dashboards,
  runs,
  sources,
  workspace,
  audit,
  access,
  health,
  phone,
  nothing_there: nothingThere,
  first_paint: firstPaint,
  logout,
};
