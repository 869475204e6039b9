/** Whether a value is nested so deeply that following it would overflow the stack: JSON.parse reads it, JSON.stringify and apps fail on it. */

/** As deep as cJSON in Redis' scripts goes. JSON.stringify ends somewhere above 3,000, with how much stack is left. */
export const DEEPEST = 1_000;

/** @param json the text that JSON.parse made it of, where there is one: mostly it shows that there is nothing to look for. */
export function isTooDeep(value: unknown, json?: string): boolean {
  return (json === undefined || mayBeTooDeep(json)) && isDeeperThan(DEEPEST, value);
}

/** Each level takes a bracket of its own at either end. */
function mayBeTooDeep(json: string): boolean {
  return json.length > 2 * DEEPEST && countOf('[', json) + countOf('{', json) > DEEPEST;
}

/** No more than it takes to know. */
function countOf(bracket: string, json: string): number {
  let count = 0;
  for (let at = json.indexOf(bracket); at !== -1 && count <= DEEPEST; at = json.indexOf(bracket, at + 1))
    count += 1;
  return count;
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  // Quicker than a list of its values: this is beside the parsing of each large value.
  for (const key in value) if (isDeeperThan(levels - 1, (value as Record<string, unknown>)[key])) return true;
  return false;
}
