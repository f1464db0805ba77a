// Everything outside of the gateways: services, the shared store, the weather, the clock that tells the truth; and the
// story of what happened.
import type { AskNode } from '../../src/rail/json-rpc.ts';
import { SimulatedChain } from './chain.ts';
import { askNode, LIES, type Lie } from './chain-node.ts';
import { ChainTill } from './chain-till.ts';
import { Merchant, type Taken } from './merchant.ts';
import type { Moment, Plan } from './plan.ts';
import { Chance } from './random.ts';
import { RedisModel } from './redis/model.ts';
import type { RedisWorld } from './redis/world-link.ts';
import { type Life, Timeline } from './timeline.ts';
import { addressOf, SERVICES, type ServiceId } from './town.ts';

/** How many of the last writes a Redis can forget. */
const REDIS_REMEMBERS = 40;

/** One run's world. */
export class World {
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly merchants: ReadonlyMap<string, Merchant>;
  readonly redis: (RedisWorld & { skewMs: number }) | null;
  readonly chain: SimulatedChain | null;
  /** How likely a call meets bad weather, from 0 to 1. */
  storm: number;
  /** Told of each payment that was taken. */
  taken: (taken: Taken) => void = () => {};
  /** Told of each that a chain took back for good. */
  lost: (taken: Taken) => void = () => {};
  /** Told of what faults can wait for, and of whose hold it is. */
  moment: (what: Moment, hold: string) => void = () => {};
  readonly keepsImages: boolean;
  readonly coverage = new Map<string, number>();
  readonly lines: string[] = [];
  /** A fault that a gateway took for one of its surroundings', and that is its own code's. */
  slip: Error | null = null;
  readonly #tells: boolean;

  /** With `tells` the story is kept. */
  constructor(plan: Plan, tells: boolean) {
    this.plan = plan;
    this.#tells = tells;
    this.storm = plan.storm;
    this.timeline = new Timeline(plan.startMs);
    this.keepsImages = plan.faults.some(({ kind }) => kind === 'powerLoss');
    this.redis = plan.store === 'redis' ? this.#openRedis() : null;
    this.chain = plan.nodes > 0 ? new SimulatedChain(this.timeline, this.chanceOf('chain'), this.covered) : null;
    this.merchants = new Map(SERVICES.map((id) => [id, this.#openMerchant(id)]));
  }

  /** A stream of chances of its own, for this run. */
  chanceOf = (name: string): Chance => new Chance(`${this.plan.seed} ${name}`);

  /** Counts something that happened. */
  covered = (what: string): void => {
    this.coverage.set(what, (this.coverage.get(what) ?? 0) + 1);
  };

  /** Counts what a gateway reports as a fault. */
  faulted = (what: string, fault: unknown): void => {
    this.covered(`fault ${what}`);
    this.slip ??= slipIn(fault);
  };

  /** Tells what somebody did. */
  story = (who: string, what: string): void => {
    if (!this.#tells) return;
    const at = ((this.timeline.now - this.plan.startMs) / 1_000).toFixed(3).padStart(9);
    this.lines.push(`${at}  ${who.padEnd(8)} ${what}`);
  };

  /** The page on which a service tells what became of a payment. */
  askPage(life: Life, service: string, path: string) {
    const merchant = this.merchants.get(service);
    const chance = this.chanceOf(`page ${life.name} ${path} ${this.timeline.now}`);
    const nonce = path.slice(path.lastIndexOf('/') + 1);
    return new Promise<{ status: number; date: string; body: Uint8Array }>((resolve, reject) => {
      const answers = (): void => {
        if (!merchant || merchant.down || chance.happens(this.storm / 2)) {
          reject(new Error('no answer'));
          return;
        }
        const redeemed = merchant.books.some((taken) => taken.nonce === nonce);
        const date = new Date(this.timeline.now).toUTCString();
        const status = !merchant.honest && chance.happens(0.3) ? 404 : 200;
        resolve({ status, date, body: Buffer.from(JSON.stringify({ redeemed })) });
      };
      this.timeline.after(chance.between(1, 300), answers, life);
    });
  }

  #openRedis(): RedisWorld & { skewMs: number } {
    const clock = { skewMs: 0 };
    const model = new RedisModel(() => this.timeline.now + world.skewMs, REDIS_REMEMBERS);
    const world = { model, down: false, cutOff: new Set<string>(), loss: 0, version: 0, ...clock };
    return world;
  }

  /** How a process asks the nodes of the chain; of two the second may lie. */
  nodesFor(life: Life): AskNode[] {
    const { chain, timeline, covered: told, chanceOf: seed } = this;
    if (!chain) return [];
    const lie = this.plan.nodes > 1 ? this.chanceOf('lie').weighted<Lie>(LIES) : 'nothing';
    const common = { chain, timeline, told, seed, storm: () => this.storm };
    return Array.from({ length: this.plan.nodes }, (_, i) =>
      askNode({ ...common, name: `node ${i + 1}`, lie: i === 1 ? lie : 'nothing' }, life),
    );
  }

  #openMerchant(id: ServiceId): Merchant {
    return new Merchant({
      ...{ id, payee: `acme-${id}`, address: addressOf(id), now: () => this.timeline.now },
      till: this.chain && new ChainTill(this.chain, this.timeline),
      lost: (taken) => {
        this.story('chain', `takes back what ${taken.request} paid`);
        this.lost(taken);
      },
      seed: (name) => this.chanceOf(`merchant ${id} ${name}`),
      told: (what, taken) => {
        this.covered(what);
        this.story(id, taken ? `${what} of ${taken.request} (${taken.atoms} ${taken.currency}, ${taken.nonce})` : what);
        if (taken) this.taken(taken);
      },
    });
  }
}

/** What no disk, network or store causes: a value of a wrong kind or out of its range, somewhere among the causes. */
function slipIn(fault: unknown): Error | null {
  if (fault instanceof TypeError || fault instanceof RangeError || fault instanceof ReferenceError) return fault;
  return fault instanceof Error && fault.cause !== undefined ? slipIn(fault.cause) : null;
}
