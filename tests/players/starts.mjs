// Starts a player in headless Chromium again and again, each time in a page of its own, and reports each start as a JSON line on
// standard output: {"start": …}, with what went wrong within it.
//
//   node starts.mjs ENGINE URL TIMES        ENGINE: hls.js, shaka, video.js, native (the browser's own HLS)

import { engines, open } from './engines.mjs';

// How long a start may take, and how long it is looked at once it plays: a second segment has come by then.
const WAITS_MS = 10_000;
const PLAYS_MS = 2_500;

const [name, url, times] = [process.argv[2], process.argv[3], Number(process.argv[4])];
if (!engines[name] || !url || !(times > 0)) {
  console.error(`usage: node starts.mjs ENGINE URL TIMES; ENGINE is one of ${Object.keys(engines).join(', ')}`);
  process.exit(2);
}

const browser = await open();
try {
  for (let start = 0; start < times; start += 1) {
    const hosts = new Set();
    const page = await browser.play(name, url, (host) => hosts.add(host));
    await page.started(WAITS_MS);
    await new Promise((over) => setTimeout(over, PLAYS_MS));
    console.log(JSON.stringify({ start: { ...(await page.noted()), hosts: [...hosts] } }));
    await page.close();
  }
} finally {
  await browser.close();
}
