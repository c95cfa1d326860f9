// Starts Debian's Chromium for the browser tests, and collects what a page complains about.
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
