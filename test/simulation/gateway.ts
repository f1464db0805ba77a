// One simulated gateway over all of its lives: the real exchange, ledger, budget, recovery and looking for evidence,
// put together as src/gateway.ts does, on simulated time, disk, network and store.
import { createHmac } from 'node:crypto';
import { Agent } from 'node:http';
import type { Budget } from '../../src/budget/budget.ts';
import { embeddedBudget } from '../../src/budget/embedded-budget.ts';
import { embeddedOperations } from '../../src/budget/embedded-operations.ts';
import { notesIn, notesOperations } from '../../src/budget/notes.ts';
import { openRedisBudget, type SharedBudget } from '../../src/budget/redis-budget.ts';
import { IDENTITY_STAYS_MS, KEY_STAYS_MS } from '../../src/budget/store.ts';
import type { BudgetOptions } from '../../src/budget/store-budget.ts';
import type { Random } from '../../src/domain/clock.ts';
import { Turns } from '../../src/domain/turns.ts';
import type { Parts, Service } from '../../src/exchange/parts.ts';
import { Exchange } from '../../src/exchange.ts';
import { policyEntry } from '../../src/gateway/authority.ts';
import { Looking } from '../../src/gateway/looking.ts';
import { keepSettled, type Status } from '../../src/gateway/settling.ts';
import { KeptAnswers } from '../../src/inbound/kept-answers.ts';
import { accountIn, accountOperations } from '../../src/ledger/account-operations.ts';
import { cutBack } from '../../src/ledger/cut-back.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { ledgerOperations } from '../../src/ledger/ledger-operations.ts';
import { openLedger } from '../../src/ledger/sealed-ledger.ts';

import type { Log } from '../../src/observe/log.ts';
import { openEvmWallet } from '../../src/rail/evm.ts';
import { evmEvidence } from '../../src/rail/evm-evidence.ts';
import { openSandboxWallet } from '../../src/rail/sandbox.ts';
import { sandboxEvidence } from '../../src/rail/sandbox-evidence.ts';
import { Disk, SimulatedState } from './disk.ts';
import { SimulatedPool } from './network.ts';
import { WorldLink } from './redis/world-link.ts';
import { Life } from './timeline.ts';
import * as town from './town.ts';
import type { AgentAnswer, Visiting } from './visitor.ts';
import { visit } from './visitor.ts';
import type { World } from './world.ts';

const NO_AGENT = new Agent();
const SILENT: Log = { access() {}, receipt() {}, event() {}, flush() {} };
const LOOK_TICK_MS = 250;
const RESTART_MS = 1_000;

interface Running {
  readonly life: Life;
  readonly exchange: Exchange;
  readonly budget: Budget;
  readonly ledger: Ledger;
}

/** A gateway: its disk and its clock outlive its processes. */
export class SimulatedGateway {
  readonly name: string;
  readonly disk: Disk;
  /** How far its wall clock is off, milliseconds. */
  skewMs = 0;
  /** The highest receipt that this gateway was told is durable. */
  told = 0;
  policy: town.PolicyName = 'usual';
  readonly #world: World;
  readonly #visits = new Map<Visiting, (answer: AgentAnswer | null) => void>();
  #lives = 0;
  #life: Life | null = null;
  #running: Running | null = null;

  constructor(world: World, name: string, file = ':memory:') {
    this.#world = world;
    this.name = name;
    this.disk = new Disk(name, world.keepsImages, file);
  }

  /** Does it take requests? */
  get up(): boolean {
    return this.#running !== null;
  }

  get budget(): Budget | null {
    return this.#running?.budget ?? null;
  }

  get life(): Life | null {
    return this.#life;
  }

  /** Starts a process; one that cannot start is started again. */
  start(): void {
    const { timeline, story, faulted } = this.#world;
    this.#lives += 1;
    const life = new Life(`${this.name}/${this.#lives}`);
    life.onEnd = () => this.#ended(life);
    this.#life = life;
    story(this.name, 'starts');
    this.#boot(life).catch((error: unknown) => {
      if (!life.alive) return;
      faulted('start', error);
      story(this.name, `does not start: ${error instanceof Error ? error.message : 'unknown'}`);
      life.alive = false;
      timeline.after(RESTART_MS, () => {
        // Whoever ordered it down may have started it meanwhile, and one folder has one process.
        if (this.#life === life) this.start();
      });
    });
  }

  /** The process is killed; what it had sent is on its way, and nothing else of it happens. */
  kill(): void {
    this.#life?.end();
  }

  /** Has its process do something, unless there is none. */
  order(work: (budget: Budget) => void): void {
    const running = this.#running;
    if (running) this.#world.timeline.after(0, () => work(running.budget), running.life);
  }

  /** Serves a request; `ended` is told what came, or null when nothing did. */
  serve(options: Parameters<typeof visit>[0], ended: (answer: AgentAnswer | null) => void): Visiting | null {
    const running = this.#running;
    if (!running) {
      this.#world.timeline.after(1, () => ended(null));
      return null;
    }
    const visiting = visit(options, (answer) => {
      if (!this.#visits.delete(visiting)) return;
      ended(answer);
    });
    this.#visits.set(visiting, ended);
    const { timeline } = this.#world;
    timeline.after(0, () => void running.exchange.handle(visiting.request, visiting.response, false), running.life);
    return { ...visiting, leave: () => void timeline.after(0, visiting.leave, running.life) };
  }

  #ended(life: Life): void {
    this.#world.story(this.name, 'is killed');
    this.#world.covered('gateway killed');
    if (this.#life !== life) return;
    this.#running = null;
    const visits = [...this.#visits.values()];
    this.#visits.clear();
    for (const ended of visits) this.#world.timeline.after(1, () => ended(null));
  }

  async #boot(life: Life): Promise<void> {
    const world = this.#world;
    const { timeline } = world;
    const bootedAt = timeline.now;
    const clock = { now: () => timeline.now + this.skewMs, monotonic: () => timeline.now - bootedAt };
    const timers = timeline.timersOf(life);
    const chance = world.chanceOf(life.name);
    const random = { bytes: (length: number) => chance.bytes(length) };
    const state = new SimulatedState({
      ...{ timeline, life, disk: this.disk, chance: world.chanceOf(`${life.name} disk`) },
      rooms: {
        cutBack,
        operations: (db) => ({
          ...ledgerOperations(db, { dir: town.keyFolder(), development: true }, clock.now),
          ...(world.redis
            ? { ...notesOperations(db), ...accountOperations(db, ACCOUNT_STANDS, clock.now) }
            : embeddedOperations(db, { repeatWindowMs: town.REPEAT_WINDOW_MS, clock })),
        }),
      },
    });
    const ledger = await openLedger(state, (receipt) => {
      this.told = Math.max(this.told, receipt.seq);
    });
    const budgetOptions = {
      ...{ log: ledger.log, key: town.SHARED_KEY, clock, random, timers, timeZone: 'UTC' },
      repeatWindowMs: town.REPEAT_WINDOW_MS,
    };
    const shared = world.redis ? await this.#redisBudget(life, budgetOptions, state, ledger) : null;
    const budget = shared?.budget ?? embeddedBudget(state, budgetOptions);
    const status: Status = {
      segmentsStuck: false,
      ...{
        draining: false,
        recovered: false,
        recoveryWaits: null,
        witnessed: true,
        storeAnswers: true,
        storeClosed: null,
      },
    };
    const authority = agreement(budget, () => this.set());
    const watch: Parts['watch'] = {
      began: () => ({ trace: null, step: () => NO_STEP, ended: ({ outcome }) => world.covered(`request ${outcome}`) }),
      refused: (code) => world.covered(`refused ${code}`),
      fault: world.faulted,
    };
    const wallets = this.#wallets(random);
    const answers = wallets.flatMap((wallet) => wallet.answers);
    const parts: Parts = {
      ...{ clock, timers, random, currency: town.CURRENCY, services: this.#services(life) },
      issuers: new Set([town.ISSUER]),
      from: (peer) => peer ?? 'unknown',
      identify: (token) => town.identify(token, clock.now()),
      policy: () => this.set(),
      ...{ assets: town.ASSETS, wallets: world.plan.walletless === this.name ? [] : wallets },
      ...{ answers: new Set(answers), acceptPayment: answers.join(', '), budget, ledger },
      ready: () => status.recovered && authority.agreed() && budget.generation() !== null,
      ...{ kept: new KeptAnswers(1_000_000), limits: town.LIMITS, watch },
      upstreamKey: (...names) => createHmac('sha256', town.SHARED_KEY).update(JSON.stringify(names)).digest('hex'),
    };
    const exchange = new Exchange(parts);
    this.#look(life, parts, exchange, () => status.recovered);
    await keepSettled(parts, authority, shared, status, SILENT).first;
    await ledger.seal(policyEntry('applied', this.set().version));
    if (!life.alive) return;
    this.#running = { life, exchange, budget, ledger };
    world.story(this.name, 'is up');
  }

  #wallets(random: Random) {
    const proofLifetimeMs = town.PROOF_LIFETIME_MS;
    const play = openSandboxWallet({ id: 'play', pem: town.WALLET_PEM, proofLifetimeMs, random });
    const onChain = { id: 'treasury', key: town.CHAIN_KEY, networks: [town.NETWORK], proofLifetimeMs };
    return this.#world.chain ? [play, openEvmWallet(onChain)] : [play];
  }

  set() {
    return town.policySet(this.policy, this.#world.plan.times);
  }

  #redisBudget(life: Life, options: BudgetOptions, state: SimulatedState, ledger: Ledger): Promise<SharedBudget> {
    const world = this.#world;
    const { redis } = world;
    if (!redis) throw new Error('there is no Redis');
    const shared = {
      ...{ ...options, url: null, namespace: 'town', replicas: 0, missingAfterMs: town.MISSING_AFTER_MS },
      ...{ account: accountIn(state, () => ledger.newest()), notes: notesIn(state) },
    };
    return openRedisBudget(shared, () => {
      const chance = world.chanceOf(`${life.name} redis`);
      return new WorldLink({
        ...{ timeline: world.timeline, life, gateway: this.name, world: redis, chance, told: world.covered },
      });
    });
  }

  #services(life: Life): Map<string, Service> {
    const world = this.#world;
    return new Map(
      [...world.merchants.values()].map((merchant) => {
        const pool = new SimulatedPool({
          ...{ timeline: world.timeline, life, merchant, storm: () => world.storm, told: world.covered },
          seed: (name) => world.chanceOf(`network ${merchant.id} ${name}`),
        });
        const host = `${merchant.id}.test`;
        const service: Service = {
          ...{ id: merchant.id, provider: null, pool, agent: NO_AGENT, origin: `https://${host}`, host, basePath: '' },
          ...{ upstreamHeadersMs: town.UPSTREAM_HEADERS_MS, paymentSettleMs: town.PAYMENT_SETTLE_MS },
        };
        return [merchant.id, service];
      }),
    );
  }

  #look(life: Life, parts: Parts, exchange: Exchange, ready: () => boolean): void {
    const world = this.#world;
    const { budget, ledger, clock, timers } = parts;
    const sources = new Map(
      [...world.merchants].map(([id]) => [id, sandboxEvidence((path) => world.askPage(life, id, path), clock.now)]),
    );
    const nodes = world.nodesFor(life);
    const chain = evmEvidence({ network: town.NETWORK, nodes, now: clock.now });
    const of = (network: string, service: string) => (network === town.NETWORK ? chain : sources.get(service));
    const looking = new Looking({
      ...{ budget, ledger, clock, timers, finisher: exchange.finisher, turns: new Turns() },
      evidences: { of, rails: ['sandbox', 'evm'], close: async () => {} },
      seen: (_hold, rail, { verdict, alarming }) =>
        world.covered(`evidence ${rail} ${verdict}${alarming ? ', alarming' : ''}`),
      fault: (fault) => world.faulted('looking', fault),
    });
    timers.every(LOOK_TICK_MS, () => {
      if (ready()) void looking.tick();
    });
  }
}

const ACCOUNT_STANDS = { afterEndMs: KEY_STAYS_MS, afterProofMs: IDENTITY_STAYS_MS };
const NO_STEP = { context: null, end() {} };

/** As gateway/authority.ts compares the set with the store's record. */
function agreement(budget: Budget, set: () => ReturnType<typeof town.policySet>) {
  let agreed = false;
  return {
    agreed: () => agreed,
    agree: async () => {
      const terms = { currency: town.CURRENCY, timeZone: 'UTC', budgets: [...set().budgets.values()] };
      const wrong = await budget.agree(terms);
      agreed = wrong.length === 0;
      return wrong;
    },
  };
}
