// Runs every scenario of the web UI in one browser: node web.mjs BASE_URL LOGIN_LINK WORKSPACE SCREENSHOTS
// Prints a JSON line for each: {name, error, complaints, measured}.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { check, launch, watch } from './browser.mjs';
import { scenarios } from './web_scenarios.mjs';

const [base, link, folder, screenshots] = process.argv.slice(2);
const kTimeoutMs = 15_000;

async function login({ page }) {
  await page.goto(link);
  await page.waitForURL(base + '/');
  check(!page.url().includes('link='), 'the secret stays in the address');
}

async function loginRefused({ page, watched }) {
  watched.expected.push('/api/v1/me', '/api/v1/login');
  await page.goto(base + '/login');
  await page.getByLabel('User').fill('nobody');
  await page.getByLabel('Password').first().fill('wrong');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').waitFor();
}

async function run(context, name, scenario) {
  const page = await context.newPage();
  page.setDefaultTimeout(kTimeoutMs);
  const watched = watch(page);
  const pathOf = (part) => join(screenshots, `${name}${part ? '_' + part : ''}.png`);
  const shot = Object.assign((part) => page.screenshot({ path: pathOf(part) }), { pathOf });
  const measured = {};
  const note = (values) => Object.assign(measured, values);
  let error = null;
  try {
    await scenario({ page, base, folder, shot, watched, note });
  } catch (caught) {
    error = caught.message;
  }
  await shot('').catch(() => undefined);
  await page.close();
  console.log(JSON.stringify({ name, error, complaints: watched.complaints, measured }));
}

mkdirSync(screenshots, { recursive: true });
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light', reducedMotion: 'reduce' });
await run(context, 'login_refused', loginRefused);
await run(context, 'login', login);
const wanted = process.env.ONLY?.split(',');
for (const [name, scenario] of Object.entries(scenarios)) {
  if (!wanted || wanted.includes(name)) await run(context, name, scenario);
}
await browser.close();
