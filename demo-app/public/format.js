/** Numbers as people read them, with their unit. */

/** A latency: three digits at most. */
export function latency(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** A wait of some seconds, to the tenth. */
export function wait(ms) {
  return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
}

/** What is left of minutes or hours: `59:59`, `7:59:59`. */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] > 0 ? parts : parts.slice(1);
  return shown.map((part, index) => String(part).padStart(index > 0 ? 2 : 1, '0')).join(':');
}

/** A moment of today, to the millisecond. */
export function moment(atMs) {
  const at = new Date(atMs);
  const digits = (value, length = 2) => String(value).padStart(length, '0');
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => digits(part)).join(':');
  return `${clock}.${digits(at.getMilliseconds(), 3)}`;
}

export function count(value) {
  return value.toLocaleString('en');
}

export function money(amount) {
  return amount.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

/** How long ago, roughly. */
export function ago(date) {
  const minutes = Math.round((Date.now() - Date.parse(date)) / 60_000);
  if (minutes < 1) return 'just now';
  return minutes < 60 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}
