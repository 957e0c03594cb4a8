// Plays a URL with hls.js in headless Chromium and reports as JSON lines on standard output what a viewer would have seen:
// one {"at", "position", "stalled", "host"} every 250 ms, and at the end {"summary": …}.
//
//   node hlsjs.mjs URL SECONDS
//
// Needs CHROMIUM (default /usr/bin/chromium) and this folder's npm packages.

import { createServer } from 'node:http';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const [url, seconds] = [process.argv[2], Number(process.argv[3])];
if (!url || !(seconds > 0)) {
  console.error('usage: node hlsjs.mjs URL SECONDS');
  process.exit(2);
}

const here = dirname(fileURLToPath(import.meta.url));
const files = {
  '/': ['text/html', '<!doctype html><meta charset=utf-8><video id=v muted playsinline></video><script src=/hls.js></script>'],
  '/hls.js': ['text/javascript', readFileSync(join(here, 'node_modules/hls.js/dist/hls.js'))],
};
const pages = createServer((request, answer) => {
  const file = files[request.url];
  answer.writeHead(file ? 200 : 404, { 'content-type': file?.[0] ?? 'text/plain' });
  answer.end(file?.[1]);
});
await new Promise((listening) => pages.listen(0, '127.0.0.1', listening));

const profile = mkdtempSync(join(tmpdir(), 'spillway-chromium-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});

let failed = false;
try {
  const page = await browser.newPage();
  page.on('console', (message) => console.error(message.text()));
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  await page.evaluate((source) => {
    const video = document.getElementById('v');
    const seen = { errors: [], fatal: [], hosts: {}, host: null, stalls: 0, stalledMs: 0, startedAt: null };
    window.seen = seen;
    const asked = performance.now();
    const hls = new Hls({ liveSyncDurationCount: 3 });
    window.hls = hls;
    hls.on(Hls.Events.ERROR, (_, data) => (data.fatal ? seen.fatal : seen.errors).push(data.details));
    hls.on(Hls.Events.FRAG_LOADED, (_, data) => {
      seen.host = new URL(data.frag.url).host;
      seen.hosts[seen.host] = (seen.hosts[seen.host] ?? 0) + 1;
    });
    hls.loadSource(source);
    hls.attachMedia(video);
    video.play();
    // A stall is a picture that does not move although it should; counted from the clock, not from events.
    let last = { position: 0, at: asked };
    setInterval(() => {
      const now = performance.now();
      const moved = video.currentTime > last.position + 0.01;
      if (moved && seen.startedAt === null) seen.startedAt = now - asked;
      if (seen.startedAt !== null && !moved) {
        if (!seen.stalled && now - last.at > 500) { seen.stalled = true; seen.stalls += 1; }
      } else if (moved) {
        if (seen.stalled) seen.stalledMs += now - last.at;
        seen.stalled = false;
        last = { position: video.currentTime, at: now };
      }
    }, 50);
  }, url);

  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    await new Promise((tick) => setTimeout(tick, 250));
    const state = await page.evaluate(() => ({
      position: document.getElementById('v').currentTime, stalled: !!window.seen.stalled, host: window.seen.host,
    }));
    console.log(JSON.stringify({ at: Date.now(), ...state }));
  }
  const summary = await page.evaluate(() => {
    const { errors, fatal, hosts, host, stalls, stalledMs, startedAt } = window.seen;
    const quality = document.getElementById('v').getVideoPlaybackQuality();
    return { errors, fatal, hosts, host, stalls, stalledMs, startedAt, dropped: quality.droppedVideoFrames,
      frames: quality.totalVideoFrames, position: document.getElementById('v').currentTime };
  });
  console.log(JSON.stringify({ summary }));
  failed = summary.fatal.length > 0 || summary.startedAt === null;
} finally {
  await browser.close();
  pages.close();
  rmSync(profile, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
