// A request to switch protocols, once it was admitted: a tunnel, or an answer like any other. Nothing is ever paid for
// one: who wants to be paid for a tunnel is refused.
import type { Timer } from '../domain/clock.ts';
import { isRefusal, type Refusal, refuse } from '../domain/refusal.ts';
import type { Upgrade } from '../inbound/upgrade.ts';
import { type Admitted, admit } from '../policy/decide.ts';
import type { Answer } from '../upstream/answer.ts';
import { forwardUpgrade, type Tunnel } from '../upstream/upgrade.ts';
import { callStep, headersForAgent, headersOf, type LocatedVisit, noAnswer, targetOf } from './forwarding.ts';
import type { Parts } from './parts.ts';
import { subjectOf } from './visit.ts';

/** A visit that asks for another protocol. */
export type UpgradingVisit = LocatedVisit & { readonly upgrade: Upgrade };

/** Is this one? */
export const isUpgrading = (visit: LocatedVisit): visit is UpgradingVisit => visit.upgrade !== null;

/** Most tunnels of a gateway, and of one subject. */
const MOST = { all: 10_000, each: 1_000 } as const;
/** So often every tunnel is judged by the newest policy. */
const JUDGE_EVERY_MS = 1_000;

/** Asks the service; its answer, unless it agreed or demands a payment. */
export async function openTunnel(parts: Parts, visit: UpgradingVisit): Promise<Tunnel | Answer | Refusal> {
  const { service, upgrade, response } = visit;
  const step = callStep(visit, 'forward');
  const upgraded = await forwardUpgrade(
    {
      ...{
        agent: service.agent,
        origin: service.origin,
        target: targetOf(visit),
        timeoutMs: service.upstreamHeadersMs,
      },
      ...{ protocol: upgrade.protocol, near: upgrade.socket, head: upgrade.head },
      headers: headersOf(parts, visit, { authorization: null, contentLength: null, acceptPayment: '' }, step),
      agentHeaders: (headers) => headersForAgent(visit, { headers }).headers,
    },
    visit.gone,
  );
  step.end(upgraded.kind === 'open' ? 101 : upgraded.kind === 'lost' ? null : upgraded.answer.status);
  if (upgraded.kind === 'lost') return noAnswer(visit, upgraded.why);
  if (upgraded.kind === 'open') {
    response.detachSocket(upgrade.socket);
    visit.switched = true;
    return upgraded.tunnel;
  }
  if (upgraded.answer.status !== 402) return upgraded.answer;
  upgraded.answer.abort();
  return refuse('challenge_unsupported', UNPAID);
}

/** The tunnels of a gateway. */
export class Tunnels {
  readonly #parts: Parts;
  readonly #open = new Map<Tunnel, { readonly visit: UpgradingVisit; readonly admitted: Admitted }>();
  /** By subject. */
  readonly #counts = new Map<string, number>();
  readonly #judging: Timer;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#judging = parts.timers.every(JUDGE_EVERY_MS, () => this.#judge());
    this.#judging.unref();
  }

  /** Is there room for one more of this subject? */
  room({ identity }: Admitted): boolean {
    return this.#open.size < MOST.all && (this.#counts.get(subjectOf(identity)) ?? 0) < MOST.each;
  }

  /** Resolves when the tunnel has ended. */
  async keep(tunnel: Tunnel, visit: UpgradingVisit, admitted: Admitted): Promise<void> {
    this.#open.set(tunnel, { visit, admitted });
    this.#count(admitted, 1);
    await tunnel.ended;
    this.#open.delete(tunnel);
    this.#count(admitted, -1);
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    this.#judging.close();
    const open = [...this.#open.keys()];
    for (const tunnel of open) tunnel.close();
    await Promise.all(open.map(({ ended }) => ended));
  }

  #count({ identity }: Admitted, change: 1 | -1): void {
    const subject = subjectOf(identity);
    const count = (this.#counts.get(subject) ?? 0) + change;
    if (count > 0) this.#counts.set(subject, count);
    else this.#counts.delete(subject);
  }

  /** Who would not be admitted any more loses the tunnel. */
  #judge(): void {
    const { clock } = this.#parts;
    for (const [tunnel, { visit, admitted }] of this.#open) {
      const request = { ...admitted.request, nowMs: clock.now() };
      const judged = admit(this.#parts.policy(), admitted.identity, request);
      if (!isRefusal(judged)) continue;
      visit.code = judged.code;
      visit.outcome = 'cut';
      tunnel.close();
    }
  }
}

/** The answer to one tunnel too many. */
export const TOO_MANY = refuse(
  'slow_down',
  'Too many connections of this agent, or of this gateway, are open in other protocols. Close some of them first.',
);

const UNPAID =
  'The service demands a payment for switching protocols, and payments for that are not made here. ' +
  'Nothing was paid; ask without switching.';
