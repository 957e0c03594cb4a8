// Plays a URL in headless Chromium with one of the engines that people embed, and reports as a JSON line on standard output what a
// viewer would have seen: {"summary": …} at the end, after SECONDS or at SIGTERM.
//
//   node browser.mjs ENGINE URL SECONDS        ENGINE: hls.js, shaka, video.js, native (the browser's own HLS)
//
// Needs CHROMIUM (default /usr/bin/chromium) and this folder's npm packages.

import { engines, open } from './engines.mjs';

const [name, url, seconds] = [process.argv[2], process.argv[3], Number(process.argv[4])];
if (!engines[name] || !url || !(seconds > 0)) {
  console.error(`usage: node browser.mjs ENGINE URL SECONDS; ENGINE is one of ${Object.keys(engines).join(', ')}`);
  process.exit(2);
}

const told = new Promise((stop) => process.once('SIGTERM', stop));
const browser = await open();
let failed = true;
try {
  const hosts = {};
  const page = await browser.play(name, url, (host) => { hosts[host] = (hosts[host] ?? 0) + 1; });
  await Promise.race([told, new Promise((over) => setTimeout(over, seconds * 1000))]);
  const summary = await page.noted();
  console.log(JSON.stringify({ summary: { ...summary, hosts } }));
  failed = summary.fatal.length > 0 || summary.startedAt === null;
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);
