// The watch page: plays the stream of its path with hls.js where the manager has it, else with the browser's own HLS, and says
// in words what a viewer would otherwise have to guess.
'use strict';

const stream = decodeURIComponent(location.pathname.split('/').pop());
const source = `/watch/${encodeURIComponent(stream)}.m3u8${location.search}`;
const at = (id) => document.getElementById(id);
const video = at('video');

// How long to wait where an answer does not say: the target duration of most streams, twice.
const RETRY_SECONDS = 4;
// Kept on the page at most.
const MOST_MOVES = 50;
// A decoder that fails again within this time is not mended by asking it to go on.
const MENDED_MS = 10_000;
// Servers show operators how it plays by what hls.js says with its requests: in the query, for headers would have browsers ask
// first whether they may; and no more than is shown, so that addresses stay short.
const SAY = { useHeaders: false, includeKeys: ['bl', 'bs', 'mtp', 'su'] };
// Each retry has one owner, and here that is the page: it knows when the manager wants to be asked again.
const ASK_ONCE = { default: { maxTimeToFirstByteMs: 10_000, maxLoadTimeMs: 20_000, timeoutRetry: null, errorRetry: null } };

let player = null;
let current = null;
let countdown = null;
let failedAt = -Infinity;
// Pathway ids by host, of all servers seen: what is still on its way after a move comes from the server before.
const pathways = new Map();

at('name').textContent = stream;
document.title = `${stream} · Spillway`;

/** Shows words; those that stand there already are not said again to who listens. */
function put(id, words) {
  if (at(id).textContent !== words) at(id).textContent = words;
}

/** Says something in place of the picture. */
function say(title, text = '') {
  put('title', title);
  put('text', text);
  put('again', '');
  at('word').hidden = false;
  badge('OFF');
}

function badge(text) {
  at('live').textContent = text;
  at('live').classList.toggle('on', text === 'LIVE');
}

/** Ends the player; what nobody plays comes from nowhere. */
function stop() {
  clearInterval(countdown);
  player?.destroy();
  player = null;
  video.removeAttribute('src');
  for (const id of ['server', 'rung', 'buffer', 'latency']) put(id, '–');
}

/** Begins again after a while, and shows how long that is. Pages that were refused together do not all come back together. */
function retry(title, text, seconds) {
  stop();
  say(title, text);
  let left = Math.ceil(Math.max(1, seconds) * (1 + Math.random() / 2));
  const show = () => { at('again').textContent = left > 0 ? `Trying again in ${left} s.` : 'Trying again now.'; };
  show();
  countdown = setInterval(() => {
    left -= 1;
    show();
    if (left <= 0) begin();
  }, 1000);
}

/** Shows from where the stream comes, and notes it where that has changed. */
function from(host) {
  // A player that does not steer is handed over to servers that no playlist has named.
  const id = pathways.get(host) ?? host;
  put('server', id === 'primary' ? `primary (${host})` : `relay ${host}`);
  at('server').className = id === 'primary' ? 'primary' : 'relay';
  if (current !== null && current !== id) note(`${current} → ${id}`);
  current = id;
}

function note(move) {
  const [moves, line, time] = [at('moves'), document.createElement('li'), document.createElement('time')];
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  line.append(time, ' ', move);
  if (moves.dataset.any) moves.prepend(line);
  else moves.replaceChildren(line);
  moves.dataset.any = 'yes';
  while (moves.children.length > MOST_MOVES) moves.lastChild.remove();
}

const hostOf = (url) => new URL(url, location).hostname;

function playWithHlsJs() {
  player = new Hls({ liveSyncDurationCount: 3, manifestLoadPolicy: ASK_ONCE, cmcd: SAY });
  player.on(Hls.Events.FRAG_LOADED, (_, { frag }) => {
    if (frag.type !== 'main') return;
    for (const { uri, attrs } of player.levels) pathways.set(hostOf(uri), attrs['PATHWAY-ID'] ?? 'primary');
    from(hostOf(frag.url));
  });
  player.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) => {
    const { height, bitrate } = player.levels[level];
    at('rung').textContent = `${height ? `${height}p, ` : ''}${(bitrate / 1e6).toFixed(1)} Mb/s`;
  });
  player.on(Hls.Events.ERROR, (_, { fatal, type, details, response, networkDetails: request }) => {
    if (!fatal) return;
    const again = performance.now() - failedAt < MENDED_MS;
    failedAt = performance.now();
    if (type === Hls.ErrorTypes.MEDIA_ERROR && !again) return player.recoverMediaError();
    if (details === Hls.ErrorDetails.MANIFEST_LOAD_ERROR || response?.code === 503) {
      return refused(response?.code, request?.responseText, request?.getResponseHeader('retry-after'));
    }
    retry('The connection is lost', 'The stream cannot be reached.', RETRY_SECONDS);
  });
  player.loadSource(source);
  player.attachMedia(video);
}

function playWithTheBrowsersOwn() {
  video.src = source;
  at('server').textContent = 'primary, or a relay it hands over to';
  at('rung').textContent = 'the browser decides';
  at('latency').textContent = 'not told';
  at('moves').firstElementChild.textContent = 'The browser’s own player does not say which server it plays from.';
}

function begin() {
  stop();
  if (window.Hls?.isSupported()) playWithHlsJs();
  else if (video.canPlayType('application/vnd.apple.mpegurl')) playWithTheBrowsersOwn();
  else return say('This browser cannot play HLS', 'Open the stream in another browser or player.');
  // Some browsers let nothing play, muted or not, before somebody has asked for it.
  video.play().catch(({ name }) => { if (name === 'NotAllowedError') at('word').hidden = true; });
}

/** Says why the manager gives no place, or a server takes nobody, in their own words. */
function refused(status, words, after) {
  stop();
  const text = (words ?? '').trim();
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  const seconds = Number(after) || RETRY_SECONDS;
  if (status === 404) return say('There is no such stream', `${sentence}.`);
  if (status === 400) return say('This address is wrong', `${sentence}.`);
  if (status !== 503) return retry('The traffic manager cannot be reached', '', RETRY_SECONDS);
  const [reason] = sentence.split(/[:;] ask again/);
  retry(titleOf(text), `${reason}.`, seconds);
}

function titleOf(refusal) {
  if (/room|as many/.test(refusal)) return 'The stream is full';
  return /yet/.test(refusal) ? 'The stream has not started' : 'The stream cannot be played now';
}

/** The browser's own player does not say why it failed: the manager does. */
async function failed() {
  const answer = await fetch(source).catch(() => null);
  if (answer?.ok) return retry('The connection is lost', 'The stream cannot be reached.', RETRY_SECONDS);
  refused(answer?.status, await answer?.text(), answer?.headers.get('retry-after'));
}

video.addEventListener('playing', () => {
  at('word').hidden = true;
  const live = player ? player.latestLevelDetails?.live !== false : video.duration === Infinity;
  badge(live ? 'LIVE' : 'RECORDING');
});
video.addEventListener('ended', () => say('The stream is over', 'It has ended; thank you for watching.'));
video.addEventListener('error', () => {
  if (!player && video.hasAttribute('src')) failed();
});
video.addEventListener('volumechange', () => { at('sound').hidden = !video.muted; });
at('sound').addEventListener('click', () => {
  video.muted = false;
  video.focus();
});

const keys = {
  ' ': () => (video.paused ? video.play() : video.pause()),
  m: () => { video.muted = !video.muted; },
  f: () => (document.fullscreenElement ? document.exitFullscreen() : video.requestFullscreen?.()),
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  // They do with it what is asked of them already.
  if (event.key === ' ' && ['BUTTON', 'VIDEO'].includes(event.target.tagName)) return;
  const act = keys[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
});

setInterval(() => {
  const { buffered, currentTime } = video;
  const last = buffered.length - 1;
  if (last >= 0) at('buffer').textContent = `${Math.max(0, buffered.end(last) - currentTime).toFixed(1)} s`;
  if (player?.latency) at('latency').textContent = `${player.latency.toFixed(1)} s`;
}, 500);

begin();
