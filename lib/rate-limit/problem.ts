/** A rejection for machines: RFC 9457's application/problem+json, for clients that ask for it. */

export const PROBLEM: string = 'application/problem+json';

/**
 * The problem type that draft-ietf-httpapi-ratelimit-headers-11 section 5 defines.
 *
 * @param policy the name of the window that rejected, as the header fields call it
 */
export function quotaExceeded(status: number, policy: string): object {
  return {
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
    title: 'Too many requests: the quota is used up.',
    status,
    'violated-policies': [policy],
  };
}

/** Whether a client names problem details and likes them no less than the HTML it would get else (RFC 9110 12.5.1). */
export function prefersProblem(accept: string | undefined): boolean {
  if (accept === undefined || !accept.toLowerCase().includes(PROBLEM)) return false;
  const weights = new Map(accept.toLowerCase().split(',').map(weigh));
  const problem = weights.get(PROBLEM) ?? 0;
  const html = weights.get('text/html') ?? weights.get('text/*') ?? weights.get('*/*') ?? 0;
  return problem > 0 && problem >= html;
}

function weigh(range: string): [mediaRange: string, weight: number] {
  const [mediaRange = '', ...parameters] = range.split(';').map((part) => part.trim());
  const q = parameters.find((parameter) => parameter.startsWith('q='));
  const weight = q === undefined ? 1 : Number(q.slice(2));
  return [mediaRange, Number.isNaN(weight) ? 0 : weight];
}
