// Starts Debian's Chromium for the browser tests, plays scenarios in it, and collects what a page complains about.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags });
}

// Errors of the console and of scripts. An answer that a scenario expects to be refused is named in `expected`.
export function watch(page) {
  const complaints = [];
  const expected = [];
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    const text = `${message.text()} (${message.location().url})`;
    if (!expected.some((part) => text.includes(part))) complaints.push(text);
  });
  page.on('pageerror', (error) => complaints.push(error.stack ?? String(error)));
  return { complaints, expected };
}

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

// Each scenario in a page of its own, logged in by `link`; a JSON line for each: {name, error, complaints, measured}.
// ONLY=one,other plays some. Screenshots are `prefix`_name_part.png.
export async function play(scenarios, { base, link, screenshots, prefix, height }) {
  mkdirSync(screenshots, { recursive: true });
  const browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1280, height }, colorScheme: 'light', reducedMotion: 'reduce' });
  const first = await context.newPage();
  await first.goto(link);
  await first.waitForURL(base + '/');
  await first.close();
  const wanted = process.env.ONLY?.split(',');
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (!wanted || wanted.includes(name)) await scene(context, scenario, name, join(screenshots, `${prefix}_${name}`));
  }
  await browser.close();
}

async function scene(context, scenario, name, picture) {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const watched = watch(page);
  const shot = (part) => page.screenshot({ path: `${picture}${part ? '_' + part : ''}.png` });
  const measured = {};
  let error = null;
  try {
    await scenario({ page, shot, watched, note: (values) => Object.assign(measured, values) });
  } catch (caught) {
    error = caught.message;
    await shot('failed').catch(() => undefined);
  }
  await page.close();
  console.log(JSON.stringify({ name, error, complaints: watched.complaints, measured }));
}
