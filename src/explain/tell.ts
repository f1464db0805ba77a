// Stories and forecasts as text that can be pasted into a ticket: one fact a line, nothing hidden in columns. What came
// from outside is shown as it stands; whoever prints it escapes it.
import type { DecisionCheck, Receipt } from '../domain/receipt.ts';
import type { Amendment, Forecast, RuleRef } from './answer.ts';
import { type Findings, type Story, titleOf } from './story.ts';

type Row = readonly [label: string, ...lines: string[]];

const LABEL_WIDTH = 13;

/** A request that was made, for people. Lines without line feeds. */
export function tellStory(story: Story, found: Findings): string[] {
  return [
    `${story.id}  ${story.summary}`,
    ...(story.detail === null ? [] : [`The agent was told: ${story.detail}`]),
    '',
    ...rows([
      ['When', whenText(story)],
      ['Who', ...whoText(story)],
      ['Task', ...taskText(story.agent ?? undefined)],
      ['Request', ...requestText(story)],
      ['Rule', ...ruleText(story, found)],
      ['Checks', ...checksText(story.checks)],
      ['Demand', ...demandText(story)],
      ['Payment', ...paymentText(story)],
      ['Since then', ...story.steps.map(({ at, id, words }) => `${at}  ${words} (${id})`), ...holdText(found)],
      ['Log', ...logText(found)],
      ...allowing(found),
    ]),
  ];
}

/** A request that might be made, for people. Lines without line feeds. */
export function tellForecast(told: Forecast): string[] {
  const { agent, price } = told;
  const asked = `${told.request} at ${told.service}${price === null ? '' : ` for ${price}`}`;
  const owner = agent.owner === null ? '' : `, owner ${agent.owner}`;
  const code = told.code === null ? '' : `: ${told.code} (${titleOf(told.code)})`;
  return [
    `Would be ${told.outcome}${code}.`,
    told.detail,
    '',
    ...rows([
      [
        'Asked',
        `agent ${agent.id}${agent.team === null ? '' : ` of team ${agent.team}`}${owner}${inFile(agent.at)}`,
        asked,
      ],
      ['Rule', told.rule ? refText(told.rule) : 'none', `policy ${told.policy}`],
      ['Checks', ...checksText(told.checks)],
      ['Failing', ...(told.failing === null ? [] : [told.failing])],
      ['Nearest', ...nearestText(told)],
      ['Counters', countersText(told)],
      ['Assumed', ...told.assumed],
      ...allowing(told),
    ]),
  ];
}

function rows(all: readonly Row[]): string[] {
  return all.flatMap(([label, ...lines]) =>
    lines.map((line, index) => `${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${line}`),
  );
}

const inFile = (at: string | null): string => (at === null ? '' : ` (${at})`);

function whenText({ at, exchange, trace, development }: Story): string {
  const names = [exchange && `exchange ${exchange}`, trace && `trace ${trace}`, development && 'development'];
  return [at, ...names.filter(Boolean)].join(', ');
}

function whoText({ agent, from }: Story): string[] {
  if (!agent) return [];
  const { id, team, owner, subject, jti, issuer, actors = [] } = agent;
  const who = id === undefined ? 'an agent that is not in the register' : `agent ${id}`;
  const of = `${team === undefined ? '' : ` of team ${team}`}${owner === undefined ? '' : `, owner ${owner}`}`;
  const through = actors.length === 0 ? '' : `, acting through ${actors.join(' through ')}`;
  const token = jti === undefined ? 'a token without an id' : `token ${jti}`;
  return [
    `${who}${of}`,
    `subject ${subject}, ${token}, issued by ${issuer}${through}`,
    ...(from === null ? [] : [`from ${from}`]),
  ];
}

function taskText(agent: Receipt['agent']): string[] {
  if (!agent) return [];
  const { task, taskClaimed, purposeClaimed } = agent;
  return [
    ...(task === undefined ? [] : [`${task}, as its token says`]),
    ...(taskClaimed === undefined ? [] : [`"${taskClaimed}", claimed by the agent and not verified`]),
    ...(task === undefined && taskClaimed === undefined ? ['none'] : []),
    ...(purposeClaimed === undefined ? [] : [`purpose "${purposeClaimed}", claimed by the agent and not verified`]),
  ];
}

function requestText({ request, service }: Story): string[] {
  const provider = service?.provider === undefined ? '' : ` (${service.provider})`;
  const where = service ? ` at service ${service.id}${provider}` : '';
  return request || service ? [`${request ? `${request.method} ${request.path}` : 'a request'}${where}`] : [];
}

function ruleText({ policy, entitlement }: Story, { policy: now }: Findings): string[] {
  if (policy === null) return [];
  const rule = now.rule ? refText(now.rule) : entitlement === null ? 'none' : `entitlement ${entitlement}`;
  if (now.same) return [rule, `policy ${policy}, which is the one in the folder now`];
  if (now.inFolder !== null)
    return [rule, `policy ${policy}; the folder has changed since: now it holds ${now.inFolder}`];
  const kept = 'a gateway that runs keeps its last good set; correct it, and try with "purser check"';
  return [
    rule,
    `policy ${policy}; the folder cannot be read as policies now: ${kept}`,
    ...(now.problem === null ? [] : [now.problem]),
  ];
}

function refText({ kind, id, at }: RuleRef): string {
  const name =
    kind === 'deny' ? 'a deny rule of the guardrails' : kind === 'agent' ? `register entry ${id}` : `${kind} ${id}`;
  return `${name}${inFile(at)}`;
}

function checksText(checks: readonly DecisionCheck[]): string[] {
  return checks.map(({ check, outcome, asked, limit, settled, held }) => {
    const numbers = Object.entries({ asked, limit, settled, held }).filter(([, number]) => number !== undefined);
    const shown = numbers.map(([name, number]) => `${name} ${number}`).join(', ');
    return `${outcome}  ${check}${shown === '' ? '' : `: ${shown}`}`;
  });
}

function demandText({ challenge, offer }: Story): string[] {
  if (!offer && !challenge) return ['the service made none, or it was not reached'];
  const price = offer ? `${offer.atoms} atoms of ${offer.asset} on ${offer.network} to ${offer.payee}` : '';
  const worth = offer && offer.value !== '0.000000' ? `, worth ${offer.value} ${offer.currency}` : '';
  return [...(offer ? [`${price}${worth}`] : []), ...(challenge ? [challengeText(challenge)] : [])];
}

function challengeText({
  dialect,
  method,
  intent,
  id,
  realm,
  expires,
  hash,
}: NonNullable<Receipt['challenge']>): string {
  const until = expires === undefined ? '' : `, until ${expires}`;
  return `challenge ${id} of realm ${realm} (${dialect}, ${method}/${intent}${until}), SHA-256 ${hash}`;
}

function paymentText({ end, hold, proof, settlement, offer }: Story): string[] {
  if (end === 'refused') return ['none: nothing was held and no proof was made'];
  if (!hold) return [];
  const fee = `${hold.fee === '0.000000' ? '' : `, of it up to ${hold.fee} in fees`}`;
  const budgets = hold.budgets.map(({ id, scope, window }) => `counted in budget ${id} ${scope}, window ${window}`);
  return [
    `hold ${hold.id}: ${hold.amount} ${offer?.currency ?? ''} of wallet ${hold.wallet}${fee}`,
    ...budgets,
    ...(proof ? [`on the rail: ${proof.identity}; no proof can be redeemed after ${proof.redeemableUntil}`] : []),
    ...(settlement?.reference === undefined ? [] : [referenceText(settlement.reference, settlement.evidence)]),
  ];
}

function referenceText(reference: string, evidence: NonNullable<Receipt['settlement']>['evidence']): string {
  return evidence === 'rail' ? `the rail shows: ${reference}` : `reference "${reference}", as the service claims`;
}

function holdText({ hold }: Findings): string[] {
  if (!hold.asked) return [];
  return [hold.state === null ? 'the store has no open hold of it' : `the store holds it: ${hold.state}`];
}

function logText({ log }: Findings): string[] {
  const links = log.seqs.join(', ');
  const where = `number ${links} of log ${log.name}, which ends at ${log.head} now`;
  return log.intact
    ? [where, 'verified from their bytes: hash, signature, and the links to the receipts before and after']
    : [where, `NOT INTACT: ${log.fault ?? 'unknown'}`];
}

function nearestText({ nearest }: Forecast): string[] {
  if (!nearest) return [];
  const lacks = nearest.lacks.map(({ key, at, has, asked }) => `${key} (${at}): ${has} does not take ${asked}`);
  return [`entitlement ${nearest.id} (${nearest.at}), but`, ...lacks];
}

function countersText({ counters, outcome, price }: Forecast): string {
  if (counters.known) return `as they stand now, from ${counters.source}`;
  if (price === null || outcome === 'refused') return 'not needed for this answer';
  return `not known (${counters.source}): whether it fits its budgets was not judged`;
}

interface Allowing {
  readonly amendments: readonly Amendment[];
  readonly afterwards: string | null;
  readonly beyond: string | null;
  readonly today?: Findings['today'];
}

function allowing({ amendments, afterwards, beyond, today }: Allowing): Row[] {
  const now = today ? [`the policies in the folder now: ${today.outcome}${today.code ? ` (${today.code})` : ''}`] : [];
  const lines = amendments.flatMap(({ at, where, line, note }) => [
    `in ${at}, ${where}: ${line}`,
    ...(note === null ? [] : [`  (${note})`]),
  ]);
  const still =
    afterwards === null || afterwards === 'allowed' ? [] : [`with this it would still be refused: ${afterwards}`];
  return [
    ['Today', ...now],
    ['To allow it', ...lines, ...still, ...(beyond === null ? [] : [beyond])],
  ];
}
