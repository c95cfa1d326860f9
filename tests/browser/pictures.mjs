// Takes the pictures of docs/images: node pictures.mjs BASE_URL LOGIN_LINK FOLDER, against a loaded `tarn demo flights`.
import { join } from 'node:path';
import { check, launch, watch } from './browser.mjs';

const [base, link, folder] = process.argv.slice(2);
const kSql = `SELECT origin, month, round(avg(dep_delay), 1) AS delay
FROM delays.flights
GROUP BY ALL
ORDER BY month, origin`;

const pictures = {
  async home(page) {
    await page.goto(base + '/');
    await page.getByRole('group', { name: 'The way of the data' }).getByText('by_weather').waitFor();
    await page.getByRole('table', { name: 'Runs' }).waitFor();
  },
  async dashboard(page) {
    await page.goto(base + '/dashboards/delays/delays');
    await page.getByText('336,776', { exact: true }).waitFor();
    await page.locator('.tile canvas').nth(2).waitFor();
    await page.getByRole('grid').first().waitFor();
  },
  async behind(page) {
    await page.goto(base + '/dashboards/delays/delays?tile=4&origin=JFK');
    await page.getByRole('dialog').getByRole('link', { name: 'Lineage' }).first().waitFor();
    await page.locator('.tile canvas').first().waitFor();
  },
  async lineage(page) {
    await page.goto(base + '/catalog/delays/flights?tab=lineage&column=dest_name');
    await page.getByRole('table', { name: 'The way of the column' }).waitFor();
    await page.getByRole('group', { name: 'Lineage of delays.flights' }).getByText('airports', { exact: true }).waitFor();
  },
  async sql(page) {
    await page.goto(`${base}/sql?q=${encodeURIComponent(kSql)}&view=chart&kind=line&x=month&y=delay&by=origin`);
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.locator('.chart canvas').waitFor();
    await page.mouse.move(700, 40);
  },
};

const shots = [
  ['home', 'light'],
  ['dashboard', 'light'],
  ['behind', 'light'],
  ['lineage', 'light'],
  ['sql', 'light'],
  ['dashboard', 'dark'],
];

const browser = await launch();
const visitor = await browser.newContext();
const first = await visitor.newPage();
await first.goto(link);
await first.waitForURL(base + '/');
const storageState = await visitor.storageState();
for (const [name, colorScheme] of shots) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    colorScheme,
    reducedMotion: 'reduce',
    storageState,
  });
  const page = await context.newPage();
  const { complaints } = watch(page);
  await pictures[name](page);
  await page.getByTitle('Changes arrive as they happen').waitFor();
  await page.waitForTimeout(700);
  const file = colorScheme === 'dark' ? `${name}_dark.png` : `${name}.png`;
  await page.screenshot({ path: join(folder, file) });
  check(complaints.length === 0, `${name}: ${complaints.join('\n')}`);
  await context.close();
  console.log(file);
}
await browser.close();
