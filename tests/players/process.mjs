// Plays a URL with a player that is a program of its own, and reports as a JSON line on standard output what a viewer would have
// seen: {"summary": …} at the end, after SECONDS, at SIGTERM, or when the player ends by itself, which is a fatal error.
//
//   node process.mjs PLAYER URL SECONDS        PLAYER: ffmpeg, mpv, gstreamer, streamlink, vlc
//
// Nothing is shown or heard; pictures are decoded and taken at their time. The position is what each player says of itself.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

// ffmpeg at the speed of a viewer, who throws the pictures away.
const ffmpeg = (input) =>
  ['-nostdin', '-v', 'warning', '-re', '-i', input, '-f', 'null', '-', '-progress', 'pipe:1', '-stats_period', '0.1'];

// How each player is started, which lines tell its position in seconds, the frames that it has decoded and dropped, or that one more
// was decoded, and how long it may say nothing although the picture moves.
const players = {
  ffmpeg: {
    command: (url) => ['ffmpeg', ...ffmpeg(url)],
    position: (line) => line.match(/^out_time_us=(\d+)/)?.[1] / 1e6,
    frames: (line) => line.match(/^frame=(\d+)/)?.[1],
    dropped: (line) => line.match(/^drop_frames=(\d+)/)?.[1],
    says: 100,
  },
  mpv: {
    // Its position follows the sound: a filter that tells each frame shows whether the picture moves, too.
    command: (url) =>
      ['mpv', '--no-config', '--vo=null', '--ao=null', '--no-input-terminal', '--vf=lavfi=[showinfo]',
        '--msg-level=all=warn,mpv=info,ffmpeg=v', `--script=${join(here, 'mpv.lua')}`, url],
    position: (line) => line.match(/position ([\d.]+)/)?.[1],
    error: (line) => line.match(/\bsaid (.*)/)?.[1],
    frame: (line) => line.match(/showinfo_0: n: *\d+ pts:.* s:\d+x(\d+)/)?.[1],
    dropped: (line) => line.match(/dropped (\d+)/)?.[1],
    says: 50,
  },
  gstreamer: {
    command: (url) =>
      ['gst-launch-1.0', '-v', 'playbin3', `uri=${url}`, 'video-sink=fakesink name=picture sync=true silent=false',
        'audio-sink=fakesink sync=true'],
    // hlsdemux2 is not the one that is taken by itself in GStreamer 1.22.
    env: { GST_PLUGIN_FEATURE_RANK: 'hlsdemux2:MAX' },
    position: (line) => {
      const pts = line.match(/picture: last-message = chain .* pts: (\d+):(\d+):([\d.]+)/);
      return pts ? Number(pts[1]) * 3600 + Number(pts[2]) * 60 + Number(pts[3]) : undefined;
    },
    says: 40,
  },
  streamlink: {
    command: (url) =>
      ['streamlink', '--player', 'ffmpeg', '--player-args', ffmpeg('{playerinput}').join(' '), '--verbose-player', url, 'best'],
    position: (line) => line.match(/^out_time_us=(\d+)/)?.[1] / 1e6,
    dropped: (line) => line.match(/^drop_frames=(\d+)/)?.[1],
    says: 100,
  },
  // It refuses to run as root. A frame of the tests' streams is 40 ms.
  vlc: {
    command: (url) => [...asNobody(), '/usr/bin/python3', '-', url],
    script: join(here, 'vlc.py'),
    position: (line) => line.match(/^shown (\d+)/)?.[1] / 25,
    dropped: (line) => line.match(/lost (\d+)/)?.[1],
    says: 300,
    // It brings its count up to date only between two requests, so it is silent while it waits for a segment; but what it counts are
    // frames that were shown, and those that were shown meanwhile are in the next count.
    counts: true,
  },
};

function asNobody() {
  return process.getuid() === 0 ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] : [];
}

const [name, url, seconds] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const player = players[name];
if (!player || !url || !(seconds > 0)) {
  console.error(`usage: node process.mjs PLAYER URL SECONDS; PLAYER is one of ${Object.keys(players).join(', ')}`);
  process.exit(2);
}

const asked = Date.now();
const [program, ...args] = player.command(url);
// A group of its own: streamlink has a player under it.
const child = spawn(program, args, {
  detached: true,
  env: { ...process.env, ...player.env },
  stdio: [player.script ? openSync(player.script, 'r') : 'ignore', 'pipe', 'pipe'],
});
const end = () => { try { process.kill(-child.pid, 'SIGTERM'); } catch { /* it has ended */ } };

// A stall is a quarter of a second without a word that the picture has moved, beyond what the player is silent anyway.
const seen = { errors: [], fatal: [], stalls: [], startedAt: null, dropped: null, skipped: 0, played: 0, frames: null, frozen: [], pictures: [] };
let last = null;
let first = null;
let shown = null;
const complain = (line) => { if (line?.trim() && seen.errors.length < 2000) seen.errors.push(line); };
const picture = (height) => {
  const now = Date.now();
  if (shown !== null && now - shown > 250) seen.frozen.push({ at: shown, ms: now - shown });
  if (height !== seen.pictures.at(-1)?.height) seen.pictures.push({ at: now, height });
  seen.frames += 1;
  shown = now;
};
const note = (line) => {
  complain(player.error?.(line));
  const height = player.frame?.(line);
  if (height) picture(Number(height));
  const frames = player.frames?.(line);
  if (frames) seen.frames = Number(frames);
  seen.dropped = Number(player.dropped?.(line) ?? seen.dropped ?? NaN);
  const position = Number(player.position(line) ?? NaN);
  if (Number.isNaN(position) || position === last?.position) return;
  const now = Date.now();
  if (last && seen.startedAt === null) {
    seen.startedAt = now - asked;
    first = { position, at: now, frames: seen.frames };
  }
  if (first) {
    const moved = player.counts ? Math.round((position - last.position) * 1000) : 0;
    const still = now - last.at - moved;
    if (still > 250 + player.says) seen.stalls.push({ at: last.at, ms: still });
  }
  if (first) seen.played = Math.round((position - first.position) * 1000);
  if (first) seen.skipped = Math.max(seen.skipped, Math.round((position - first.position) * 1000 - (now - first.at)));
  last = { position, at: now };
};
createInterface({ input: child.stdout }).on('line', note);
createInterface({ input: child.stderr }).on('line', (line) => {
  console.error(line);
  complain(line);
});

let told = null;
const stop = () => { told ??= Date.now(); end(); };
process.once('SIGTERM', stop);
const over = setTimeout(stop, seconds * 1000);
child.once('error', (error) => seen.fatal.push(`${program} cannot be started: ${error.message}`));
await once(child, 'close').catch(() => {});
clearTimeout(over);
end();
if (!told) seen.fatal.push(`it ended by itself, with ${child.exitCode ?? child.signalCode}`);
// One that has not ended; of a player that counts, what was shown meanwhile is not known: as long as it waits for a segment at most.
const still = told && last ? told - last.at : 0;
if (still > (player.counts ? 2000 : 500) + player.says) seen.stalls.push({ at: last.at, ms: still });
if (seen.frames !== null) seen.frames -= first?.frames ?? 0;
seen.dropped = Number.isNaN(seen.dropped) ? null : seen.dropped;
console.log(JSON.stringify({ summary: seen }));
process.exit(seen.fatal.length > 0 || seen.startedAt === null ? 1 : 0);
