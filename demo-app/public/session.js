/** My session: log in and out, how long it lasts, and where else I am logged in. */
import { ago, countdown } from './format.js';
import { ask, element, onPress, onSubmit, say, trouble } from './server.js';
import { lookAtWindows } from './windows.js';

const ASK_EVERY_MS = 15_000;
/** Other tabs of this browser have the same session. */
const tabs = new BroadcastChannel('session');
let state = { state: 'wait' };
let receivedAt = 0;

export function startSession() {
  look();
  setInterval(() => document.hidden || look(), ASK_EVERY_MS);
  setInterval(showLifetimes, 1000);
  tabs.addEventListener('message', look);
  document.addEventListener('visibilitychange', () => document.hidden || look());

  onSubmit(element('login'), logIn);
  onPress('logout', async () => {
    if (await act('/api/logout', { method: 'POST' }, 'Logged out.')) element('login').email.focus();
  });
  onPress('use', () => act('/api/me', {}, 'Used: the idle time begins anew.'));
}

async function logIn(form) {
  const body = { email: form.email.value, password: form.password.value };
  if (await act('/api/login', { method: 'POST', body }, 'Logged in.')) element('use').focus();
}

async function act(path, options, success) {
  const answer = await ask(path, options);
  say('session-said', answer.ok ? success : trouble(answer));
  await look();
  lookAtWindows();
  tabs.postMessage('changed');
  return answer.ok;
}

/** Looking does not use the session. */
export async function look() {
  const { ok, body } = await ask('/dashboard/session');
  if (!ok) return;
  if (body.state === 'away') {
    say('session-who', 'Redis is away: nobody can tell. Whoever is logged in stays so.');
    return;
  }
  state = body;
  receivedAt = performance.now();
  show();
}

function show() {
  const isIn = state.state === 'logged-in';
  say('session-who', isIn ? `Logged in as ${state.name}.` : 'Nobody is logged in here.');
  element('login').hidden = isIn;
  element('lifetimes').hidden = !isIn;
  element('devices-title').hidden = !isIn || state.devices === undefined;
  document.querySelector('[data-lifetime="absolute"]').hidden = state.absoluteLeftMs === undefined;
  showLifetimes();
  showDevices(isIn ? (state.devices ?? []) : []);
}

function showLifetimes() {
  if (state.state !== 'logged-in') return;
  const left = { idle: state.idleLeftMs, absolute: state.absoluteLeftMs };
  for (const [which, leftMs] of Object.entries(left)) {
    if (leftMs === undefined) continue;
    const now = leftMs - (performance.now() - receivedAt);
    const root = document.querySelector(`[data-lifetime="${which}"]`);
    root.querySelector('[data-cell="left"]').textContent = countdown(now);
    root.querySelector('progress').value = Math.max(0, now);
    if (now <= 0) look();
  }
}

function showDevices(devices) {
  const list = element('devices');
  const focused = document.activeElement?.dataset?.handle;
  list.replaceChildren(...devices.map(deviceItem));
  if (focused === undefined) return;
  const next = list.querySelector(`[data-handle="${focused}"]`) ?? element('use');
  // Whoever ended this session has the form before them.
  (element('login').hidden ? next : element('login').email).focus();
}

function deviceItem({ handle, isCurrent, device, lastSeenAt }) {
  const item = document.createElement('li');
  const text = document.createElement('span');
  text.textContent = `${browserIn(device.userAgent)}${isCurrent ? ', this one' : ''}`;
  const seen = document.createElement('small');
  seen.textContent = `${ago(lastSeenAt)}, ${device.network ?? 'unknown network'}`;
  text.append(seen);
  const button = document.createElement('button');
  Object.assign(button, { type: 'button', textContent: 'Revoke' });
  button.dataset.handle = handle;
  button.setAttribute('aria-label', `Revoke ${text.firstChild.textContent}`);
  button.addEventListener('click', () => act(`/api/devices/${handle}`, { method: 'DELETE' }, 'Revoked.'));
  item.append(text, button);
  return item;
}

function browserIn(userAgent = '') {
  const [, name, version] = /(Firefox|Edg|HeadlessChrome|Chrome|curl)\/(\d+)/.exec(userAgent) ?? [];
  if (name !== undefined) return `${name === 'Edg' ? 'Edge' : name.replace('Headless', '')} ${version}`;
  return /Safari/.test(userAgent) ? 'Safari' : 'Some browser';
}
