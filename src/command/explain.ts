// `purser explain`: one purchase or refusal in plain words, or what would be decided about one that nobody has asked
// for. It reads, and never writes; what it says of rules and files is for operators alone.

import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { forecastShape } from '../explain/answer.ts';
import { tellForecast, tellStory } from '../explain/tell.ts';
import { policyContext } from '../gateway/authority.ts';
import { explainQuestion, type Question, questionFault } from '../gateway/explaining.ts';
import { LedgerReader } from '../ledger/reader.ts';
import { loadPolicies } from '../policy/load.ts';
import { openReadOnly } from '../state/database.ts';
import { showProblem } from '../yaml/problem.ts';
import { type OrderOptions, placeOf } from './as-operator.ts';
import { findExchange, findingsOf } from './findings.ts';
import type { Io } from './io.ts';
import { runningGateway } from './operator-client.ts';
import { readConfig } from './read-config.ts';
import { visible } from './table.ts';

/** What both forms of the command take. */
export interface ExplainOptions extends OrderOptions {
  /** A receipt's, an exchange's or a hold's id; absent for a question. */
  readonly id?: string;
  readonly question?: Question;
}

/** Prints the story or the forecast: 0, 1 when there is none or it would be refused, 2 for a question without sense. */
export async function explain(options: ExplainOptions, io: Io): Promise<number> {
  const config = readConfig(options.config, io, 'skip');
  if (!config) return 1;
  try {
    if (options.question) return await tellQuestion(config, options, options.question, io);
    return await tellId(config, options, options.id ?? '', io);
  } catch (error) {
    const lines = (error instanceof Error ? error.message : 'an unexpected error').split('\n');
    io.err(`purser: ${lines.map(visible).join('\n')}\n`);
    return 1;
  }
}

async function tellId(config: Config, options: ExplainOptions, id: string, io: Io): Promise<number> {
  const reader = new LedgerReader(openReadOnly(config.state.dir));
  try {
    const found = findExchange(reader, id);
    if ('missing' in found) {
      io.err(`purser: ${visible(found.missing)}\n`);
      return 1;
    }
    const holdState = found.story.hold ? await openHoldState(config, options, found.story.hold.id, io) : NOT_ASKED;
    const findings = await findingsOf(config, reader, found, holdState);
    if (options.json) print(io, [JSON.stringify({ ...found.story, findings })]);
    else print(io, tellStory(found.story, findings));
    return findings.log.intact ? 0 : 1;
  } finally {
    reader.close();
  }
}

const NOT_ASKED = { asked: false, state: null };

/** What the running gateway says of the hold; the story stands without it. */
async function openHoldState(config: Config, options: ExplainOptions, hold: string, io: Io) {
  const place = placeOf(config, options, io);
  try {
    const operator = place && (await runningGateway(place));
    if (!operator) return NOT_ASKED;
    try {
      const open = (await operator.holds()).holds.find(({ id }) => id === hold);
      return { asked: true, state: open?.state ?? null };
    } finally {
      await operator.close();
    }
  } catch {
    return NOT_ASKED;
  }
}

async function tellQuestion(config: Config, options: ExplainOptions, question: Question, io: Io): Promise<number> {
  const fault = questionFault(config, question);
  if (fault !== undefined) {
    io.err(`purser: ${visible(fault)}\n`);
    return 2;
  }
  const told = (await askGateway(config, options, question, io)) ?? (await askState(config, options, question, io));
  if (!told) return 1;
  print(io, options.json ? [JSON.stringify(told)] : tellForecast(told));
  return told.outcome === 'allowed' ? 0 : 1;
}

async function askGateway(config: Config, options: ExplainOptions, question: Question, io: Io) {
  const place = placeOf(config, options, io);
  const operator = place && (await runningGateway(place));
  if (!operator) return undefined;
  try {
    return await operator.explain(question);
  } finally {
    await operator.close();
  }
}

/** Without a gateway: the counters of the state where it can be opened, else none; the policies of the folder. */
async function askState(config: Config, options: ExplainOptions, question: Question, io: Io) {
  const { set, problems } = loadPolicies(config.policies, policyContext(config));
  if (!set) {
    for (const problem of problems) io.err(`${showProblem(problem)}\n`);
    return undefined;
  }
  const state = await openCounters(config, options, io);
  if ('why' in state) {
    const nowMs = Date.now();
    const told = await explainQuestion(
      { config, set, wallets: null, budget: null, source: state.why, nowMs },
      question,
    );
    return forecastShape.parse(told);
  }
  try {
    return forecastShape.parse(await state.explain(question));
  } finally {
    await state.close();
  }
}

async function openCounters(config: Config, options: ExplainOptions, io: Io) {
  try {
    // Looking must not make a state where there is none.
    openReadOnly(config.state.dir).close();
    const full = loadConfig(options.config, { env: io.env, secrets: 'read' }).config;
    if (!full) return { why: 'no gateway runs, and its secrets cannot be read here' };
    const { openOffline } = await import('../gateway.ts');
    return await openOffline(full);
  } catch (error) {
    return { why: `no gateway runs: ${error instanceof Error ? error.message : 'its state cannot be opened'}` };
  }
}

const print = (io: Io, lines: readonly string[]): void => io.out(`${lines.map(visible).join('\n')}\n`);
