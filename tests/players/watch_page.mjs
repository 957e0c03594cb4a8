// Opens the watch page in headless Chromium and prints as a JSON line what it shows, whenever that has changed, until SIGTERM or
// for SECONDS: {"server", "rung", "moves", "word"}; "word" is what stands in place of the picture, if anything does. Whatever the
// browser complains of goes to standard error. SCREENSHOT, a .png, is taken at the end.
//
//   node watch_page.mjs URL SECONDS [SCREENSHOT [WIDTH HEIGHT [light|dark]]]
//
// Needs CHROMIUM (default /usr/bin/chromium) and this folder's npm packages.

import { chromium } from 'playwright-core';
import { launchOptions } from './chromium.mjs';

const [url, seconds, screenshot] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const [width, height] = [Number(process.argv[5] ?? 1280), Number(process.argv[6] ?? 800)];
if (!url || !(seconds > 0) || !(width > 0 && height > 0)) {
  console.error('usage: node watch_page.mjs URL SECONDS [SCREENSHOT [WIDTH HEIGHT [light|dark]]]');
  process.exit(2);
}

let told = false;
process.once('SIGTERM', () => { told = true; });
const browser = await chromium.launch(launchOptions);
try {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: process.argv[7] ?? 'light' });
  page.on('pageerror', (error) => console.error(error.message));
  page.on('console', (message) => { if (message.type() === 'error') console.error(message.text()); });
  await page.goto(url);
  let shown = '';
  for (const end = Date.now() + seconds * 1000; !told && Date.now() < end;) {
    const shows = JSON.stringify(await page.evaluate(() => {
      const text = (selector) => [...document.querySelectorAll(selector)].map((found) => found.textContent);
      const word = document.getElementById('word');
      const [server, rung] = [text('#server')[0], text('#rung')[0]];
      return { server, rung, moves: text('#moves li'), word: word.hidden ? null : word.innerText.trim() };
    }));
    if (shows !== shown) console.log(shows);
    shown = shows;
    await new Promise((look) => setTimeout(look, 100));
  }
  if (screenshot) await page.screenshot({ path: screenshot });
} finally {
  await browser.close();
}
