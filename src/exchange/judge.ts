// What a service's answer to a payment proof means. Pure: it only names the case.

/** The four ends an answer can mean. */
export type Verdict = 'settled' | 'rejected' | 'not_delivered' | 'passed';

const FAILED = new Set([408, 409, 425, 429]);

/** Judges the final status; `elsewhere`: its Location leaves the service's own origin. */
export function judgeAnswer(status: number, elsewhere: boolean): Verdict {
  if ((status >= 200 && status < 300) || status === 304) return 'settled';
  if (status === 402) return 'rejected';
  if (status >= 500 || FAILED.has(status) || status < 200) return 'not_delivered';
  return status < 400 && elsewhere ? 'not_delivered' : 'passed';
}
