// The way from a gateway to a service: undici's dispatcher as the gateway sees it, with connections that are refused,
// reset or silent at every stage, and requests that arrive late, twice or not at all.
import type { Readable } from 'node:stream';
import { Dispatcher } from 'undici';
import type { Answered, Arrived, Merchant } from './merchant.ts';
import type { Chance } from './random.ts';
import type { Life, Timeline } from './timeline.ts';

/** What happens to a call on its way. */
export const WEATHER = {
  ...{ fine: 60, refused: 3, unanswered: 1, lostThere: 3, resetAfterSending: 5 },
  ...{ lostBack: 4, hangs: 2, twice: 5, late: 10 },
};

export type Weather = keyof typeof WEATHER;

/** Where a pool leads, and what it runs on. */
export interface Way {
  readonly timeline: Timeline;
  readonly life: Life;
  readonly merchant: Merchant;
  /** From 0, no weather, to 1. */
  readonly storm: () => number;
  readonly seed: (name: string) => Chance;
  readonly told: (what: string) => void;
}

/** The connections of one gateway to one service. */
export class SimulatedPool extends Dispatcher {
  readonly #way: Way;

  constructor(way: Way) {
    super();
    this.#way = way;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    void new Call(this.#way, options, handler).begin();
    return true;
  }
}

/** One request on its way; a controller to the handler. */
class Call implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders: Buffer[] = [];
  rawTrailers: Buffer[] = [];
  readonly #way: Way;
  readonly #options: Dispatcher.DispatchOptions;
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #chance: Chance;
  readonly #weather: Weather;
  #over = false;

  constructor(way: Way, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) {
    this.#way = way;
    this.#options = options;
    this.#handler = handler;
    const headers = mapOf(options.headers);
    const name = `${headers.get('x-request') ?? ''} ${headers.has('authorization') ? 'paid' : 'unpaid'}`;
    this.#chance = way.seed(name);
    const bad = this.#chance.happens(way.storm());
    this.#weather = bad ? this.#chance.weighted<Weather>(WEATHER) : 'fine';
  }

  begin(): void {
    const { timeline, life, merchant } = this.#way;
    if (!life.alive) return;
    if (this.#weather !== 'fine') this.#way.told(`network ${this.#weather}`);
    if (this.#weather === 'unanswered') return;
    timeline.after(
      this.#chance.between(0, 4),
      () => {
        if (this.#over) return;
        if (this.#weather === 'refused' || merchant.down) {
          this.#fail('ECONNREFUSED');
          return;
        }
        this.#handler.onRequestStart?.(this, {});
        if (!this.#over) this.#send();
      },
      life,
    );
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  abort(reason: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.aborted = true;
    this.reason = reason;
    const { timeline, life } = this.#way;
    timeline.after(0, () => this.#handler.onResponseError?.(this, reason), life);
  }

  #fail(code: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#handler.onResponseError?.(this, Object.assign(new Error('the connection failed'), { code }));
  }

  #send(): void {
    const { body } = this.#options;
    if (body === null || body === undefined || Buffer.isBuffer(body)) {
      this.#sent(body?.toString('utf8') ?? '');
      return;
    }
    const parts: Buffer[] = [];
    const stream = body as Readable;
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => this.#sent(Buffer.concat(parts).toString('utf8')));
    stream.on('error', () => this.#fail('UND_ERR_ABORTED'));
  }

  #sent(body: string): void {
    const { timeline, life } = this.#way;
    const { method, path, headers } = this.#options;
    const arrived: Arrived = { method, path, headers: mapOf(headers), body };
    const there = this.#weather === 'late' ? this.#chance.between(3_000, 25_000) : this.#chance.between(0, 15);
    // Whoever sent it may be gone by then: what is on the wire arrives.
    if (this.#weather !== 'lostThere') timeline.after(there, () => this.#arrives(arrived, true));
    if (this.#weather === 'twice')
      timeline.after(there + this.#chance.between(1, 3_000), () => this.#arrives(arrived, false));
    if (this.#weather === 'resetAfterSending')
      timeline.after(this.#chance.between(0, 30), () => this.#fail('ECONNRESET'), life);
    if (this.#weather === 'lostThere')
      timeline.after(this.#chance.between(50, 4_000), () => this.#fail('ECONNRESET'), life);
  }

  #arrives(arrived: Arrived, answers: boolean): void {
    const { merchant, timeline, life } = this.#way;
    if (merchant.down) return;
    const answered = merchant.answer(arrived);
    if (!answers || this.#weather === 'hangs' || !Number.isFinite(answered.afterMs)) return;
    timeline.after(answered.afterMs + this.#chance.between(0, 15), () => this.#answered(answered), life);
  }

  #answered({ status, headers, body, breaks }: Answered): void {
    if (this.#over) return;
    if (breaks === 'head' || this.#weather === 'lostBack') {
      this.#fail('ECONNRESET');
      return;
    }
    const length = body === '' ? [] : ['Content-Length', String(Buffer.byteLength(body))];
    this.rawHeaders = [...headers, ...length].map((part) => Buffer.from(part, 'latin1'));
    this.#handler.onResponseStart?.(this, status, {}, 'Said');
    if (this.#over) return;
    const bytes = Buffer.from(body);
    const { timeline, life } = this.#way;
    timeline.after(
      this.#chance.between(0, 8),
      () => {
        if (this.#over) return;
        const part = breaks === 'body' ? bytes.subarray(0, 3) : bytes;
        if (part.length > 0) this.#handler.onResponseData?.(this, part);
        if (this.#over) return;
        if (breaks === 'body') {
          this.#fail('ECONNRESET');
          return;
        }
        this.#over = true;
        this.#handler.onResponseEnd?.(this, {});
      },
      life,
    );
  }
}

function mapOf(headers: Dispatcher.DispatchOptions['headers']): Map<string, string> {
  const map = new Map<string, string>();
  if (!Array.isArray(headers)) return map;
  for (let i = 0; i + 1 < headers.length; i += 2) map.set(String(headers[i]).toLowerCase(), String(headers[i + 1]));
  return map;
}
