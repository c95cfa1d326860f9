// What a person does on each page of the web UI, against a running Tarn with the workspace of tests/functional/test_web.py.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check } from './browser.mjs';
import { accessible, badDays, firstPaint, pageChange, reachable, stranger } from './web_quality.mjs';

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
  for (const [typed, title] of [['drivers', /fleet|raw_fleet.drivers/], ['admin', /Access/], ['fleet', /fleet/]]) {
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Find' }).fill(typed);
    await page.getByRole('option').first().waitFor();
    if (typed === 'admin') await page.getByRole('option').filter({ hasText: 'People' }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: title }).waitFor();
  }
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
  await drawer.getByRole('grid', { name: 'Rows of this version' }).getByText('ada').first().waitFor();
  await shot('version');
  await page.keyboard.press('Escape');
  await page.getByRole('tab', { name: 'Lineage' }).click();
  await page.getByRole('button', { name: 'raw_trips.trips → rides.by_day' }).click();
  await table(page, 'Columns along the edge').getByText('minutes', { exact: true }).waitFor();
  await page.getByRole('combobox', { name: 'Column' }).click();
  await page.getByRole('option', { name: 'mean_minutes' }).click();
  await page.waitForURL('**column=mean_minutes*');
  const way = table(page, 'The way of the column');
  await way.getByText('minutes', { exact: true }).waitFor();
  check((await way.getByText('day', { exact: true }).count()) === 0, 'columns that do not flow into it are listed');
  await shot('column');
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
  await page.getByText('Lines', { exact: true }).click();
  await page.waitForURL('**kind=line*');
  await shot('chart');
  await page.reload(); // what is seen is in the address, and what was run before runs again
  await page.locator('.chart canvas').waitFor();
  check(await page.getByLabel('Lines').isChecked(), 'the kind of the chart was forgotten');
  await page.goto(base + '/sql?q=SELECT+1');
  await page.getByText('Rows appear here').waitFor(); // a link from elsewhere shows its text and runs nothing
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

// Nothing, one row, more than the limit, and things that are too long.
async function sqlShapes({ page, base, shot }) {
  const grid = page.getByRole('grid', { name: 'Result' });
  const run = async (sql) => {
    await page.goto(base + '/sql?q=' + encodeURIComponent(sql));
    await button(page, 'Run').click();
  };
  await run('SELECT * FROM raw_trips.trips WHERE false');
  await grid.getByText('No rows').waitFor();
  await run('SELECT 1 AS one');
  await grid.getByRole('gridcell').getByText('1', { exact: true }).waitFor();
  await page.getByText('1 row', { exact: true }).waitFor();
  await run('SELECT * FROM range(100001) t(n)');
  await page.getByText('1,000 rows, there are more: raise the limit').waitFor();
  await page.getByRole('combobox', { name: 'Rows at most' }).click();
  await page.getByRole('option', { name: '100,000 rows' }).click();
  await page.waitForURL('**limit=100000*');
  await button(page, 'Run').click();
  await page.getByText('100,000 rows, there are more').waitFor();
  check((await grid.getByRole('row').count()) < 100, 'all rows are in the page: the grid is not virtual');
  await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await grid.getByRole('gridcell').getByText('99999', { exact: true }).waitFor();
  const long = 'a_column_whose_name_goes_on_and_on_until_nobody_knows_what_it_was_about';
  await run(`SELECT repeat('Ω long ', 900) AS ${long}, {'a': [1, 2]} AS nested, 9007199254740993 AS big, true AS yes`);
  await grid.getByText('9007199254740993', { exact: true }).waitFor();
  await shot('long');
  const splitter = page.getByRole('separator', { name: 'Height of the editor' });
  const before = Number(await splitter.getAttribute('aria-valuenow'));
  await splitter.press('ArrowDown');
  check(Number(await splitter.getAttribute('aria-valuenow')) > before, 'the panes cannot be resized by keyboard');
}

async function sqlCompletes({ page, base }) {
  await page.goto(base + '/sql?q=%20');
  const options = page.getByRole('listbox').getByRole('option');
  const complete = async (text, wanted) => {
    await typeSql(page, '');
    await page.locator('.cm-content').pressSequentially(text);
    await options.getByText(wanted, { exact: true }).first().waitFor();
    await page.keyboard.press('Escape');
  };
  await complete('SELECT * FROM raw_tri', 'raw_trips.trips');
  await complete('SELECT mean_m', 'mean_minutes');
  await complete('select date_tr', 'date_trunc');
  await complete('SELECT * FROM rides.', 'by_day');
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
  await page.getByRole('grid', { name: 'Result' }).getByText('500').waitFor();
}

async function runs({ page, base, shot }) {
  await page.goto(base + '/runs?view=tasks');
  const task = table(page, 'Tasks').getByRole('row', { name: /table:rides.by_day/ });
  await task.getByRole('button', { name: 'Run now' }).click();
  await page.getByText('1 run of table:rides.by_day queued.').waitFor();
  await shot('tasks');
  await page.getByText('Graph', { exact: true }).click();
  await page.waitForURL('**view=graph*');
  await page.getByRole('group', { name: 'Tasks and what they wait for' }).getByText('by_day', { exact: true }).waitFor();
  await page.goto(base + '/runs?task=table%3Arides.by_day');
  await table(page, 'Runs').getByText('hand', { exact: false }).first().waitFor();
  await table(page, 'Runs').getByRole('row').nth(1).click();
  await page.waitForURL(/runs\/\d+/);
  await page.getByLabel('Log').getByText('reads raw_trips.trips', { exact: false }).waitFor();
  await button(page, 'Run again').waitFor();
  await page.getByRole('link', { name: 'rides.by_day' }).first().waitFor();
  await page.getByRole('group', { name: 'Tasks and what they wait for' }).getByText('trips', { exact: true }).waitFor();
  await shot('run');
}

async function sources({ page, base }) {
  await page.goto(base + '/sources');
  await table(page, 'Streams of fleet').getByText('drivers', { exact: true }).waitFor();
  await button(page, 'Check').first().click();
  await page.getByText('answers', { exact: true }).waitFor();
  await table(page, 'Way to fleet').getByText('open', { exact: true }).waitFor();
  await table(page, 'Way to fleet').getByText('1 tables there').waitFor();
  await page.getByText('exactly once', { exact: false }).waitFor();
  await table(page, 'Deliveries of office').getByText('succeeded').waitFor();
  await table(page, 'Deliveries of office').getByText('rides.by_day').waitFor();
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
  await page.getByLabel('action').fill('audit:Read');
  await page.waitForURL('**action=audit%3ARead*');
  await page.waitForTimeout(500);
  await table(page, 'Audit records').getByRole('row').nth(1).click();
  await page.getByRole('dialog').getByText('audit:Read').waitFor();
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

async function status({ page, base, shot }) {
  await page.goto(base + '/status');
  await table(page, 'Components').getByText('orchestrator').waitFor();
  await page.getByText('The last run of everything ended well').waitFor();
  await page.getByText('Nothing is later than it should be').waitFor();
  await shot('top');
  for (const [link, href] of [['Failed runs', '/runs?view=history&state=failed'], ['All tasks', '/runs?view=tasks'], ['All alerts', '/alerts']]) {
    const leads = await page.getByRole('link', { name: link, exact: true }).getAttribute('href');
    check(leads === href, `${link} leads to ${leads}`);
  }
  await page.getByLabel('Filter operations').fill('GET /api/v1/audit');
  await table(page, 'Operations').getByText('GET /api/v1/audit', { exact: true }).waitFor();
}

// Its texts come from data: a tag in them is text.
const kAlerts = `owner: admin
channels: {hook: {webhook: {url: "http://127.0.0.1:9/hook"}}}
rules:
  many: {sql: {query: "SELECT driver, '<img src=x onerror=alert(1)>' AS note, sum(trips) AS trips FROM rides.by_day GROUP BY 1, 2"},
         every: 1s, severity: critical, runbook: "https://example.org/", notify: [hook]}
  stale: {freshness: {datasets: [rides.*], max_age: 7d}}
`;

async function alerts({ page, base, folder, shot }) {
  await page.goto(base + '/alerts');
  await page.getByText('No alerts', { exact: true }).waitFor();
  mkdirSync(join(folder, 'alerts'), { recursive: true });
  writeFileSync(join(folder, 'alerts/fleet.yaml'), kAlerts);
  await page.goto(base + '/workspace');
  await button(page, 'Plan').click();
  await table(page, 'Steps').getByText('fleet', { exact: true }).waitFor();
  await button(page, 'Apply').click();
  await table(page, 'Files').getByText('alerts/fleet.yaml').waitFor();
  await page.goto(base + '/alerts');
  const wrong = table(page, 'What is wrong now');
  await wrong.getByText('fleet.many').first().waitFor();
  await wrong.getByText('driver = ada', { exact: false }).waitFor();
  check((await page.locator('img[src="x"]').count()) === 0, 'what stands in data became HTML');
  await page.getByRole('button', { name: 'Send a test of fleet.many' }).click();
  await page.getByRole('alert').getByText('it is this machine', { exact: false }).waitFor();
  await shot('rules');
  await page.getByRole('button', { name: 'Silence fleet.many', exact: true }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Why').fill('counting');
  await dialog.getByRole('button', { name: 'Silence it' }).click();
  await table(page, 'Silences').getByText('counting').waitFor();
  await wrong.getByText('firing, silenced').first().waitFor();
  await page.getByRole('button', { name: 'End the silence of fleet.many' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End the silence of fleet.many' }).click();
  await table(page, 'Silences').getByText('ended by admin').waitFor();
  await table(page, 'History').getByText('fleet.many').first().waitFor();
  await page.goto(base + '/');
  await page.getByText('fleet.many fires').waitFor();
}

async function phone({ page, base }) {
  await page.setViewportSize({ width: 390, height: 800 });
  for (const path of ['/', '/catalog', '/catalog/rides/by_day', '/runs', '/dashboards/rides/trips', '/sql', '/alerts']) {
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

async function logout({ page, base, watched }) {
  watched.expected.push('401', 'ERR_INCOMPLETE_CHUNKED_ENCODING');
  await page.goto(base + '/runs');
  await page.getByRole('button', { name: 'You, admin' }).click();
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
  sql_shapes: sqlShapes,
  sql_completes: sqlCompletes,
  dashboards,
  runs,
  sources,
  workspace,
  audit,
  access,
  alerts,
  status,
  phone,
  nothing_there: nothingThere,
  accessible,
  reachable,
  stranger,
  bad_days: badDays,
  first_paint: firstPaint,
  page_change: pageChange,
  logout,
};
