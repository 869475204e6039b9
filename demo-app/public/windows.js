/** My windows: each hit as a line that moves to the left, as time does, until it leaves and makes room. */
import { moment, wait } from './format.js';
import { ask, say } from './server.js';

const ASK_EVERY_MS = 1000;

const shown = [...document.querySelectorAll('[data-limiter]')].map((root) => ({
  root,
  name: root.dataset.limiter,
  canvas: root.querySelector('canvas'),
  cell: (name) => root.querySelector(`[data-cell="${name}"]`),
  state: undefined,
  wasFull: false,
}));
const isCalm = matchMedia('(prefers-reduced-motion: reduce)');
let isAsking = false;
let askedAt = Number.NEGATIVE_INFINITY;

export function startWindows() {
  lookAtWindows();
  setInterval(tick, 100);
  requestAnimationFrame(animate);
  new ResizeObserver(drawAll).observe(shown[0].canvas);
}

/** Asks the server now, unless it is asked already. */
export async function lookAtWindows() {
  if (isAsking || document.hidden) return;
  isAsking = true;
  askedAt = performance.now();
  const { ok, body } = await ask('/dashboard/windows');
  isAsking = false;
  if (!ok) return;
  for (const each of shown) {
    const state = body.find(({ name }) => name === each.name);
    if (state === undefined) continue;
    each.state = { ...state, receivedAt: performance.now() };
    showBudget(each);
  }
  if (isCalm.matches) drawAll();
}

function tick() {
  const now = performance.now();
  const isDue = shown.some(
    ({ state }) => state && state.nextSlotMs > 0 && leftMs(state.nextSlotMs, state) <= 0,
  );
  if (now - askedAt > (isDue ? 200 : ASK_EVERY_MS)) lookAtWindows();
  for (const each of shown) if (each.state) showNext(each);
}

function leftMs(ms, { receivedAt }) {
  return ms - (performance.now() - receivedAt);
}

function showBudget({ cell, state }) {
  cell('remaining').textContent = state.remaining;
  const alone = state.source === 'memory' ? ', counted in this process' : '';
  cell('limit').textContent = `of ${state.limit} left in ${state.windowMs / 1000} s${alone}`;
}

function showNext(each) {
  const { state, cell, root } = each;
  const slotMs = leftMs(state.nextSlotMs, state);
  const isFull = state.remaining === 0 && slotMs > 0;
  root.classList.toggle('full', isFull);
  cell('next').textContent = nextText(state, isFull, slotMs);
  // Whoever hears the page is told of the change, not of every tenth of a second.
  if (isFull !== each.wasFull) {
    say('limits-said', isFull ? `${state.name}: no room for ${wait(slotMs)}` : `${state.name}: room again`);
  }
  each.wasFull = isFull;
}

function nextText(state, isFull, slotMs) {
  if (isFull) return `Full. Next slot in ${wait(slotMs)}, at ${moment(Date.now() + slotMs)}`;
  if (state.used === 0) return 'Empty.';
  return `Room now. The oldest hit leaves in ${wait(leftMs(state.resetMs, state))}`;
}

function animate() {
  if (!isCalm.matches && !document.hidden) drawAll();
  requestAnimationFrame(animate);
}

function drawAll() {
  for (const each of shown) draw(each);
}

function draw({ canvas, state }) {
  const ratio = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (width === 0) return;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const style = getComputedStyle(canvas);
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (state === undefined) return;
  context.fillStyle = style.color;
  const elapsed = performance.now() - state.receivedAt;
  const xOf = (agoMs) => width * (1 - agoMs / state.windowMs);

  if (state.hitsAgoMs === undefined || state.hitsAgoMs === null) {
    // Without Redis only the oldest hit is known.
    const oldestAgoMs = state.windowMs - state.resetMs + elapsed;
    context.globalAlpha = 0.3;
    if (state.used > 0 && oldestAgoMs < state.windowMs)
      context.fillRect(xOf(oldestAgoMs), 8, width, height - 16);
    context.globalAlpha = 1;
    return;
  }
  for (const agoMs of state.hitsAgoMs) {
    const age = Math.max(0, agoMs + elapsed);
    if (age < state.windowMs) context.fillRect(Math.min(width - 2, xOf(age)), 8, 2, height - 16);
  }
}
