// The engines that people embed in their pages, and the browser's own HLS, each played in a page of headless Chromium that notes
// what a viewer would see.

import { createServer } from 'node:http';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { launchOptions } from './chromium.mjs';

// How each engine is loaded and started. `start` runs in the page, with the video, the URL and `seen` to note errors in.
export const engines = {
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
      // What it goes on after, it only says in its log.
      for (const level of ['warn', 'error']) {
        const say = videojs.log[level];
        videojs.log[level] = (...words) => { seen.errors.push(words.join(' ')); say(...words); };
      }
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

// The page notes what only it can see: errors, when the picture stood still although it should move, how far it leapt ahead of the
// clock, when no new frame was shown, and how high the picture was. It is measured by the clock, not by events, because players
// differ in what they say.
const watch = ({ start, url }) => {
  const seen = { errors: [], fatal: [], stalls: [], startedAt: null, skipped: 0, played: 0, frames: 0, frozen: [], pictures: [] };
  window.seen = seen;
  // An engine may replace the element that it is given.
  const video = () => document.querySelector('video');
  const asked = performance.now();
  let last = { position: 0, at: asked };
  let first = null;
  setInterval(() => {
    const now = performance.now();
    const position = video().currentTime;
    const moved = position > last.position + 0.01;
    // The first leap is to where the live stream is.
    if (moved && position > last.position + 1 && seen.startedAt === null) last = { position, at: now };
    else if (moved && seen.startedAt === null) {
      seen.startedAt = Math.round(now - asked);
      first = { position, at: now, frames: video().getVideoPlaybackQuality().totalVideoFrames };
    } else if (moved && now - last.at > 250) {
      seen.stalls.push({ at: Math.round(performance.timeOrigin + last.at), ms: Math.round(now - last.at) });
    }
    if (moved) last = { position, at: now };
    if (first) seen.played = Math.round((position - first.position) * 1000);
    if (first) seen.frames = video().getVideoPlaybackQuality().totalVideoFrames - first.frames;
    if (first) seen.skipped = Math.max(seen.skipped, Math.round((position - first.position) * 1000 - (now - first.at)));
    seen.still = seen.startedAt === null ? 0 : Math.round(now - last.at);
    const height = video().videoHeight;
    if (height && height !== seen.pictures.at(-1)?.height) {
      seen.pictures.push({ at: Math.round(performance.timeOrigin + now), height });
    }
  }, 50);
  // The position may move on while the picture does not: frames are looked at by themselves.
  let shown = null;
  const frame = (now) => {
    if (shown !== null && now - shown > 250) {
      seen.frozen.push({ at: Math.round(performance.timeOrigin + shown), ms: Math.round(now - shown) });
    }
    if (seen.startedAt !== null) shown = now;
    video().requestVideoFrameCallback(frame);
  };
  video().requestVideoFrameCallback(frame);
  new Function(`return (${start})`)()(video(), url, seen);
};

// What the page has noted so far.
const noted = () => {
  const { droppedVideoFrames: dropped } = document.querySelector('video').getVideoPlaybackQuality();
  const { still, ...seen } = window.seen;
  // One that has not ended.
  const stalls = still > 500 ? [...seen.stalls, { at: Date.now() - still, ms: still }] : seen.stalls;
  return { ...seen, stalls, dropped };
};

// A browser with pages to open as often as wanted, each with an engine of its own.
export const open = async () => {
  const here = dirname(fileURLToPath(import.meta.url));
  const page = (name) =>
    `<!doctype html><meta charset=utf-8><video id=v muted autoplay playsinline></video><script src=/${name}.js></script>`;
  const script = ({ script: file }) => (file ? readFileSync(join(here, 'node_modules', file)) : '');
  const files = Object.fromEntries(Object.entries(engines).flatMap(([name, engine]) => [
    [`/${name}`, ['text/html', page(name)]],
    [`/${name}.js`, ['text/javascript', script(engine)]],
  ]));
  const pages = createServer((request, answer) => {
    const file = files[request.url];
    answer.writeHead(file ? 200 : 404, { 'content-type': file?.[0] ?? 'text/plain' });
    answer.end(file?.[1]);
  });
  await new Promise((listening) => pages.listen(0, '127.0.0.1', listening));
  const profile = mkdtempSync(join(tmpdir(), 'spillway-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, launchOptions);
  // A window for each, one after the other: a page that another one hides is drawn once a second.
  const openWindow = async () => {
    const session = await browser.newCDPSession(browser.pages()[0]);
    const opened = browser.waitForEvent('page');
    await session.send('Target.createTarget', { url: 'about:blank', newWindow: true });
    await session.detach();
    return opened;
  };
  let opening = Promise.resolve();
  const window = () => (opening = opening.then(openWindow));
  return {
    // Plays a URL with the engine of a name; `loaded` is told the host of each segment that has come.
    play: async (name, url, loaded = () => {}) => {
      const page = await window();
      page.on('console', (message) => console.error(message.text()));
      page.on('response', (response) => {
        const from = new URL(response.url());
        if (/\.(m4s|ts)$/.test(from.pathname) && response.ok()) loaded(from.host);
      });
      await page.goto(`http://127.0.0.1:${pages.address().port}/${name}`);
      await page.evaluate(watch, { start: String(engines[name].start), url });
      return {
        noted: () => page.evaluate(noted),
        // Resolves once the picture moves, or after so many milliseconds.
        started: (ms) => page.waitForFunction(() => window.seen.startedAt !== null, null, { timeout: ms }).catch(() => {}),
        close: () => page.close(),
      };
    },
    close: async () => {
      await browser.close();
      pages.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
};
