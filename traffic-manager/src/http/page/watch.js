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

let player = null;
let current = null;
let countdown = null;

at('name').textContent = stream;
document.title = `${stream} · Spillway`;

/** Says something in place of the picture. */
function say(title, text = '') {
  const [strong, span] = at('word').children;
  strong.textContent = title;
  span.textContent = text;
  at('word').hidden = false;
  live(false);
}

function live(on) {
  at('live').textContent = on ? 'LIVE' : 'OFF';
  at('live').classList.toggle('on', on);
}

function stop() {
  clearInterval(countdown);
  player?.destroy();
  player = null;
  video.removeAttribute('src');
}

/** Begins again after a while, and shows how long that is. */
function retry(title, text, seconds) {
  stop();
  let left = Math.max(1, seconds);
  const show = () => say(title, `${text} Trying again in ${left} s.`);
  show();
  countdown = setInterval(() => {
    left -= 1;
    if (left > 0) return show();
    begin();
  }, 1000);
}

/** Shows from where the stream comes, and notes it where that has changed. */
function from(id, host) {
  if (id === current) return;
  const isPrimary = id === 'primary';
  at('server').textContent = isPrimary ? `primary (${host})` : `relay ${host}`;
  at('server').className = isPrimary ? 'primary' : 'relay';
  if (current !== null) {
    const line = document.createElement('li');
    const time = document.createElement('time');
    time.textContent = new Date().toLocaleTimeString([], { hour12: false });
    line.append(time, `${current} → ${id}`);
    if (at('moves').dataset.any) at('moves').prepend(line);
    else at('moves').replaceChildren(line);
    at('moves').dataset.any = 'yes';
    while (at('moves').children.length > MOST_MOVES) at('moves').lastChild.remove();
  }
  current = id;
}

function playWithHlsJs() {
  player = new Hls({ liveSyncDurationCount: 3 });
  player.on(Hls.Events.FRAG_LOADED, (_, { frag }) => {
    if (frag.type !== 'main') return;
    const level = player.levels[frag.level];
    from(level?.attrs['PATHWAY-ID'] ?? 'primary', new URL(frag.url).hostname);
  });
  player.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) => {
    const { height, bitrate } = player.levels[level];
    at('rung').textContent = `${height ? `${height}p, ` : ''}${(bitrate / 1e6).toFixed(1)} Mb/s`;
  });
  player.on(Hls.Events.ERROR, (_, { fatal, type, details, response, networkDetails: request }) => {
    if (!fatal) return;
    if (type === Hls.ErrorTypes.MEDIA_ERROR) return player.recoverMediaError();
    if (details === Hls.ErrorDetails.MANIFEST_LOAD_ERROR) {
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
  at('moves').firstElementChild.textContent = 'The browser’s own player does not say which server it plays from.';
}

function begin() {
  stop();
  say('Starting …');
  if (window.Hls?.isSupported()) playWithHlsJs();
  else if (video.canPlayType('application/vnd.apple.mpegurl')) playWithTheBrowsersOwn();
  else return say('This browser cannot play HLS', 'Open the stream in another browser or player.');
  video.play().catch(() => {});
}

/** Says why the manager gives no place, in its own words. */
function refused(status, words, after) {
  stop();
  const text = (words ?? '').trim();
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  const seconds = Number(after) || RETRY_SECONDS;
  if (status === 404) return say('There is no such stream', `${sentence}.`);
  if (status === 400) return say('This address is wrong', `${sentence}.`);
  if (status !== 503) return retry('The traffic manager cannot be reached', '', RETRY_SECONDS);
  const [reason] = sentence.split(': ask again');
  retry(text.includes('room') ? 'The stream is full' : 'The stream has not started', `${reason}.`, seconds);
}

/** The browser's own player does not say why it failed: the manager does. */
async function failed() {
  const answer = await fetch(source).catch(() => null);
  if (answer?.ok) return retry('The connection is lost', 'The stream cannot be reached.', RETRY_SECONDS);
  refused(answer?.status, await answer?.text(), answer?.headers.get('retry-after'));
}

video.addEventListener('playing', () => {
  at('word').hidden = true;
  live(true);
});
video.addEventListener('ended', () => say('The stream is over', 'It has ended; thank you for watching.'));
video.addEventListener('error', () => {
  if (!player && video.hasAttribute('src')) failed();
});
video.addEventListener('volumechange', () => { at('sound').hidden = !video.muted; });
at('sound').addEventListener('click', () => { video.muted = false; });

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || ['BUTTON', 'VIDEO'].includes(event.target.tagName)) return;
  if (event.key === ' ') video.paused ? video.play() : video.pause();
  else if (event.key === 'm') video.muted = !video.muted;
  else if (event.key === 'f') document.fullscreenElement ? document.exitFullscreen() : video.requestFullscreen();
  else return;
  event.preventDefault();
});

setInterval(() => {
  const { buffered, currentTime } = video;
  const last = buffered.length - 1;
  if (last >= 0) at('buffer').textContent = `${Math.max(0, buffered.end(last) - currentTime).toFixed(1)} s`;
  if (player?.latency) at('latency').textContent = `${player.latency.toFixed(1)} s`;
}, 500);

begin();
