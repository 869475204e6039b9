/** Asks the server, and says in the page what came of it. */

/** Never throws: a status of 0 is a server that cannot be reached. */
export async function ask(path, { method = 'GET', body } = {}) {
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  try {
    const response = await fetch(path, {
      method,
      headers,
      // The browser's own cache would answer for the one that is shown here.
      cache: 'no-store',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const isJson = response.headers.get('content-type')?.includes('json');
    return {
      status: response.status,
      ok: response.ok,
      body: isJson ? await response.json() : undefined,
      retryAfterMs: Number(response.headers.get('retry-after') ?? 0) * 1000,
    };
  } catch {
    return { status: 0, ok: false, body: undefined, retryAfterMs: 0 };
  }
}

/** What to tell a person about an answer that is not the one hoped for. */
export function trouble({ status, body, retryAfterMs }) {
  if (status === 0) return 'The server cannot be reached.';
  if (status === 429) return `Too many requests: room again in ${Math.ceil(retryAfterMs / 1000)} s.`;
  return sentence(body?.error?.message ?? `The server answered ${status}`);
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

export function element(id) {
  return document.getElementById(id);
}

export function say(id, text) {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

/** A button that does one thing at a time. It stays focusable meanwhile. */
export function onPress(id, act) {
  const button = element(id);
  if (button !== null) oneAtATime(button, 'click', button, act);
}

/** The same for a form: pressed twice it is sent once. */
export function onSubmit(form, act) {
  oneAtATime(form, 'submit', form.querySelector('button'), act);
}

function oneAtATime(target, type, button, act) {
  let isBusy = false;
  target.addEventListener(type, async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    button.setAttribute('aria-disabled', 'true');
    try {
      await act(target);
    } finally {
      isBusy = false;
      button.removeAttribute('aria-disabled');
    }
  });
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
