// Plays URLs side by side in one headless Chromium, each in a page of its own for a while of its own, and reports for each, when it is
// closed, a JSON line on standard output: {"engine": …, "summary": …}. SIGTERM closes those that are open.
//
// A page whose engine ends in its first seconds is opened again, a few times: on a busy machine Chromium's own HLS often cannot parse its
// first segments, whatever is served. Once a page has settled, {"settled": ENGINE} is said, and an end is an end.
//
//   node pages.mjs ENGINE URL FROM TO [ENGINE URL FROM TO]…        ENGINE as of browser.mjs; FROM and TO in seconds from the start

import { engines, open } from './engines.mjs';

const began = Date.now();
const visits = [];
for (let at = 2; at < process.argv.length; at += 4) {
  const [engine, url, from, to] = process.argv.slice(at, at + 4);
  visits.push({ engine, url, from: Number(from), to: Number(to) });
}
if (visits.length === 0 || visits.some(({ engine, from, to }) => !engines[engine] || !(from < to))) {
  console.error(`usage: node pages.mjs ENGINE URL FROM TO…; ENGINE is one of ${Object.keys(engines).join(', ')}`);
  process.exit(2);
}

const told = new Promise((stop) => process.once('SIGTERM', stop));
const moment = (seconds) => new Promise((over) => setTimeout(over, began + seconds * 1000 - Date.now()));
const browser = await open();
let failed = false;

// How long a page is on trial, and how often it is opened.
const TRIAL_S = 8;
const STARTS = 8;

const settle = async (engine, url, hosts) => {
  for (let start = 1; ; start += 1) {
    const page = await browser.play(engine, url, (host) => { hosts[host] = (hosts[host] ?? 0) + 1; });
    await Promise.race([told, new Promise((over) => setTimeout(over, TRIAL_S * 1000))]);
    if ((await page.noted()).fatal.length === 0 || start === STARTS) return { page, starts: start };
    await page.close();
  }
};

const visit = async ({ engine, url, from, to }) => {
  if (await Promise.race([told.then(() => true), moment(from)])) return;
  const hosts = {};
  const { page, starts } = await settle(engine, url, hosts);
  console.log(JSON.stringify({ settled: engine }));
  await Promise.race([told, moment(to)]);
  const summary = await page.noted();
  console.log(JSON.stringify({ engine, summary: { ...summary, starts, hosts } }));
  failed ||= summary.fatal.length > 0 || summary.startedAt === null;
  await page.close();
};

try {
  await Promise.all(visits.map(visit));
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);
