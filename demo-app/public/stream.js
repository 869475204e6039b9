/** The one stream of this page: samples of the server, changes of Redis, and what happens in the shop. */
import { element } from './server.js';

const KINDS = ['sample', 'redis', 'order', 'price', 'notification', 'report'];
const AGAIN_AFTER_MS = 3000;
/** Browsers open six connections to a server, for all tabs together: a tab that nobody looks at leaves its own. */
const HIDDEN_FOR_MS = 3000;

/**
 * Calls `on[kind]` for each event and `on.open` whenever the stream begins (again): what came meanwhile is lost.
 * The browser reconnects by itself, but not after an answer such as 503.
 */
export function followStream(on) {
  let source;
  let timer;

  function begin() {
    clearTimeout(timer);
    if (source !== undefined || document.hidden) return;
    source = new EventSource('/dashboard/events');
    source.addEventListener('open', () => {
      show('live', 'live');
      on.open?.();
    });
    source.addEventListener('error', () => {
      show('wait', 'reconnecting…');
      if (source.readyState !== EventSource.CLOSED) return;
      source = undefined;
      timer = setTimeout(begin, AGAIN_AFTER_MS);
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => on[kind]?.(JSON.parse(event.data)));
    }
  }

  function pause() {
    source?.close();
    source = undefined;
    show('wait', 'paused');
  }

  function heedVisibility() {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(pause, HIDDEN_FOR_MS);
    else begin();
  }
  document.addEventListener('visibilitychange', heedVisibility);
  begin();
}

function show(state, text) {
  const pill = element('stream-state');
  pill.dataset.state = state;
  if (pill.textContent !== text) pill.textContent = text;
}
