// Opens the watch page in headless Chromium and prints as a JSON line what it shows, whenever that has changed, until SIGTERM or
// for SECONDS: {"server", "moves", "word"}; "word" is what stands in place of the picture, if anything does.
//
//   node watch_page.mjs URL SECONDS
//
// Needs CHROMIUM (default /usr/bin/chromium) and this folder's npm packages.

import { chromium } from 'playwright-core';
import { launchOptions } from './chromium.mjs';

const [url, seconds] = [process.argv[2], Number(process.argv[3])];
if (!url || !(seconds > 0)) {
  console.error('usage: node watch_page.mjs URL SECONDS');
  process.exit(2);
}

let told = false;
process.once('SIGTERM', () => { told = true; });
const browser = await chromium.launch(launchOptions);
try {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(error.message));
  await page.goto(url);
  let shown = '';
  for (const end = Date.now() + seconds * 1000; !told && Date.now() < end;) {
    const shows = JSON.stringify(await page.evaluate(() => {
      const text = (selector) => [...document.querySelectorAll(selector)].map((found) => found.textContent);
      const word = document.getElementById('word');
      return { server: text('#server')[0], moves: text('#moves li'), word: word.hidden ? null : word.textContent.trim() };
    }));
    if (shows !== shown) console.log(shows);
    shown = shows;
    await new Promise((look) => setTimeout(look, 100));
  }
} finally {
  await browser.close();
}
