// What the demo's agents do, one purchase after the other, and what each must end in. An agent here is any HTTP client
// with a base URL and a token; it has no wallet.
import { setTimeout as sleep } from 'node:timers/promises';

/** One request of an agent and the end it must have. */
export interface Step {
  readonly title: string;
  readonly agent: string;
  readonly method: 'GET' | 'POST';
  /** On the gateway: `/<service>/…`. */
  readonly path: string;
  readonly key?: string;
  /** The client gives up after this long and asks again by itself, as model clients do; milliseconds. */
  readonly patienceMs?: number;
  /** Asked again for this long until it ends as it must; milliseconds. */
  readonly laterMs?: number;
  /** `paid`, `replayed`, `free`, or the code of a refusal. */
  readonly expected: string;
}

/** What came of a step. */
export interface StepOutcome {
  readonly step: Step;
  readonly outcome: string;
  readonly status: number;
  readonly amount: string;
  readonly receipt: string;
  /** The detail of a refusal: what a person would read. */
  readonly detail: string;
}

/** The script, in order; the last purchases find their budget used up. */
export const STEPS: readonly Step[] = [
  { title: 'a free page', agent: 'research-1', method: 'GET', path: '/weather/v1/about', expected: 'free' },
  { title: 'a forecast', agent: 'research-1', method: 'GET', path: '/weather/v1/forecast', expected: 'paid' },
  {
    title: 'a streamed text',
    agent: 'writer-1',
    method: 'POST',
    path: '/writer/v1/complete',
    key: 'tale-1',
    expected: 'paid',
  },
  {
    title: 'the same text again',
    agent: 'writer-1',
    method: 'POST',
    path: '/writer/v1/complete',
    key: 'tale-1',
    expected: 'replayed',
  },
  {
    title: 'an image for 0.75',
    agent: 'research-1',
    method: 'GET',
    path: '/weather/v1/satellite',
    expected: 'over_ceiling',
  },
  {
    title: 'paid to a stranger',
    agent: 'research-1',
    method: 'GET',
    path: '/weather/v1/mirror',
    expected: 'payee_forbidden',
  },
  {
    title: 'an altered demand',
    agent: 'research-1',
    method: 'GET',
    path: '/weather/v1/altered',
    expected: 'challenge_malformed',
  },
  {
    title: 'not its service',
    agent: 'writer-1',
    method: 'GET',
    path: '/weather/v1/forecast',
    expected: 'no_entitlement',
  },
  {
    title: 'nobody registered',
    agent: 'stranger',
    method: 'GET',
    path: '/weather/v1/forecast',
    expected: 'agent_unknown',
  },
  {
    title: 'shop takes the money and hangs',
    agent: 'intern-1',
    method: 'GET',
    path: '/weather/v1/radar',
    patienceMs: 700,
    expected: 'payment_uncertain',
  },
  { title: 'a forecast', agent: 'intern-1', method: 'GET', path: '/weather/v1/forecast', expected: 'paid' },
  { title: 'a forecast', agent: 'research-1', method: 'GET', path: '/weather/v1/forecast', expected: 'paid' },
  {
    title: 'no room left for one more',
    agent: 'intern-1',
    method: 'GET',
    path: '/weather/v1/forecast',
    expected: 'budget_exceeded',
  },
  {
    title: 'what the shop hung on, once its books were read',
    agent: 'intern-1',
    method: 'GET',
    path: '/weather/v1/radar',
    laterMs: 10_000,
    expected: 'already_paid',
  },
];

/** Calls the gateway for a step until it has ended, or as it must. */
export async function play(step: Step, gateway: string, token: string): Promise<StepOutcome> {
  const end = Date.now() + (step.laterMs ?? 0);
  for (;;) {
    const outcome = await ask(step, gateway, token);
    if (outcome.outcome === step.expected || Date.now() >= end) return outcome;
    await sleep(300);
  }
}

/** Calls once, or as often as an impatient client would. */
async function ask(step: Step, gateway: string, token: string): Promise<StepOutcome> {
  const headers: Record<string, string> = { 'purser-token': token };
  if (step.key !== undefined) headers['idempotency-key'] = step.key;
  const send = (patienceMs?: number) =>
    fetch(`${gateway}${step.path}`, {
      method: step.method,
      headers,
      ...(step.method === 'POST' ? { body: JSON.stringify({ prompt: 'a tale' }) } : {}),
      ...(patienceMs === undefined ? {} : { signal: AbortSignal.timeout(patienceMs) }),
    });
  let answer = await send(step.patienceMs).catch(() => null);
  for (let tries = 0; tries < 12 && (answer === null || answer.status === 409); tries += 1) {
    await sleep(300);
    answer = await send(step.patienceMs).catch(() => null);
  }
  if (answer === null) return { step, outcome: 'no answer', status: 0, amount: '', receipt: '', detail: '' };
  return read(step, answer);
}

async function read(step: Step, answer: Response): Promise<StepOutcome> {
  const text = await answer.text();
  const header = answer.headers.get('purser-receipt') ?? '';
  const receipt = /^"([^"]*)"/.exec(header)?.[1] ?? '';
  const amount = /amount="([^"]*)"/.exec(header)?.[1] ?? '';
  const problem = answer.headers.get('content-type') === 'application/problem+json';
  const refused: { code?: string; detail?: string } = problem ? JSON.parse(text) : {};
  const outcome = refused.code ?? (header === '' ? 'free' : header.includes(';replayed') ? 'replayed' : 'paid');
  return { step, outcome, status: answer.status, amount, receipt, detail: refused.detail ?? '' };
}
