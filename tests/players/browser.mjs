// Plays a URL in headless Chromium with one of the engines that people embed, and reports as JSON lines on standard output what
// a viewer would have seen: one {"at", "position", "host"} whenever the media come from another host, and at the end, after
// SECONDS or SIGTERM, {"summary": …}.
//
//   node browser.mjs ENGINE URL SECONDS        ENGINE: hls.js, shaka, video.js, native (the browser's own HLS)
//
// Needs CHROMIUM (default /usr/bin/chromium) and this folder's npm packages.

import { createServer } from 'node:http';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { launchOptions } from './chromium.mjs';

// How each engine is loaded and started. `start` runs in the page, with the video, the URL and `seen` to note errors in.
const engines = {
  'hls.js': {
    script: 'hls.js/dist/hls.js',
    start: (video, url, seen) => {
      const hls = new Hls({ liveSyncDurationCount: 3 });
      hls.on(Hls.Events.ERROR, (_, data) => (data.fatal ? seen.fatal : seen.errors).push(data.details));
      hls.loadSource(url);
      hls.attachMedia(video);
    },
  },
  shaka: {
    script: 'shaka-player/dist/shaka-player.compiled.js',
    start: async (video, url, seen) => {
      shaka.polyfill.installAll();
      const player = new shaka.Player();
      player.addEventListener('error', ({ detail }) => {
        const fatal = detail.severity === shaka.util.Error.Severity.CRITICAL;
        (fatal ? seen.fatal : seen.errors).push(String(detail.code));
      });
      await player.attach(video);
      await player.load(url).catch((error) => seen.fatal.push(String(error.code ?? error)));
    },
  },
  'video.js': {
    script: 'video.js/dist/video.js',
    start: (video, url, seen) => {
      const player = videojs(video, { html5: { vhs: { overrideNative: true } }, muted: true, autoplay: true });
      player.on('error', () => seen.fatal.push(String(player.error()?.message ?? player.error())));
      player.src({ src: url, type: 'application/vnd.apple.mpegurl' });
    },
  },
  native: {
    start: (video, url, seen) => {
      video.addEventListener('error', () => seen.fatal.push(String(video.error?.message ?? video.error?.code)));
      video.src = url;
    },
  },
};

const [name, url, seconds] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const engine = engines[name];
if (!engine || !url || !(seconds > 0)) {
  console.error(`usage: node browser.mjs ENGINE URL SECONDS; ENGINE is one of ${Object.keys(engines).join(', ')}`);
  process.exit(2);
}

const told = new Promise((stop) => process.once('SIGTERM', stop));
const here = dirname(fileURLToPath(import.meta.url));
const script = engine.script ? readFileSync(join(here, 'node_modules', engine.script)) : '';
const files = {
  '/': ['text/html', '<!doctype html><meta charset=utf-8><video id=v muted autoplay playsinline></video><script src=/engine.js></script>'],
  '/engine.js': ['text/javascript', script],
};
const pages = createServer((request, answer) => {
  const file = files[request.url];
  answer.writeHead(file ? 200 : 404, { 'content-type': file?.[0] ?? 'text/plain' });
  answer.end(file?.[1]);
});
await new Promise((listening) => pages.listen(0, '127.0.0.1', listening));

const profile = mkdtempSync(join(tmpdir(), 'spillway-chromium-'));
const browser = await chromium.launchPersistentContext(profile, launchOptions);

// The page notes what only it can see: errors, and when the picture stood still although it should move. It is measured by the
// clock, not by events, because players differ in what they say.
const watch = ({ start, url }) => {
  const seen = { errors: [], fatal: [], stalls: [], startedAt: null };
  window.seen = seen;
  // An engine may replace the element that it is given.
  const video = () => document.querySelector('video');
  const asked = performance.now();
  let last = { position: 0, at: asked };
  setInterval(() => {
    const now = performance.now();
    const position = video().currentTime;
    const moved = position > last.position + 0.01;
    // The first leap is to where the live stream is.
    if (moved && position > last.position + 1 && seen.startedAt === null) last = { position, at: now };
    else if (moved && seen.startedAt === null) seen.startedAt = now - asked;
    else if (moved && now - last.at > 250) {
      seen.stalls.push({ at: Math.round(performance.timeOrigin + last.at), ms: Math.round(now - last.at) });
    }
    if (moved) last = { position, at: now };
    seen.still = seen.startedAt === null ? 0 : Math.round(now - last.at);
  }, 50);
  new Function(`return (${start})`)()(video(), url, seen);
};

let failed = false;
try {
  const page = await browser.newPage();
  const hosts = {};
  let host = null;
  page.on('console', (message) => console.error(message.text()));
  page.on('response', (response) => {
    const from = new URL(response.url());
    if (!/\.(m4s|ts)$/.test(from.pathname) || !response.ok()) return;
    hosts[from.host] = (hosts[from.host] ?? 0) + 1;
    if (host !== from.host) console.log(JSON.stringify({ at: Date.now(), host: from.host }));
    host = from.host;
  });
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  await page.evaluate(watch, { start: String(engine.start), url });
  await Promise.race([told, new Promise((over) => setTimeout(over, seconds * 1000))]);
  const summary = await page.evaluate(() => {
    const video = document.querySelector('video');
    const { droppedVideoFrames: dropped, totalVideoFrames: frames } = video.getVideoPlaybackQuality();
    const { errors, fatal, startedAt, still } = window.seen;
    const stalls = [...window.seen.stalls];
    // One that has not ended.
    if (still > 500) stalls.push({ at: Date.now() - still, ms: still });
    return { errors, fatal, stalls, startedAt, dropped, frames, position: video.currentTime };
  });
  console.log(JSON.stringify({ summary: { ...summary, host, hosts } }));
  failed = summary.fatal.length > 0 || summary.startedAt === null;
} finally {
  await browser.close();
  pages.close();
  rmSync(profile, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
