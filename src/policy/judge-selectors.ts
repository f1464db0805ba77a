// Names in selectors that no agent of the register has. Most are mistyped; in a guardrail such a name forbids nothing.
import type { Agent } from '../domain/agent.ts';
import { suggestion } from '../yaml/words.ts';
import type { Item } from './gather.ts';
import type { Selector } from './schema.ts';

/** A name as it stands in a selector, and those that would select somebody. */
interface Named {
  readonly what: string;
  readonly word: string;
  readonly known: readonly string[];
}

/** Warns of each such name. Answers how many there are. */
export function judgeSelectors(
  item: Item<{ readonly agents?: readonly Selector[] | undefined }>,
  agents: readonly Agent[],
): number {
  const named = (item.value.agents ?? []).flatMap((selector) => namedIn(selector, agents));
  const unknown = named.filter(({ word, known }) => !known.includes(word));
  for (const { what, word, known } of unknown) {
    const next = suggestion(word, known) || '; give it to one there, or take it out here';
    item.warn(['agents'], `no agent of the register has the ${what} \`${word}\`${next}`);
  }
  return unknown.length;
}

function namedIn({ id = [], owner = [], team = [], label = {} }: Selector, agents: readonly Agent[]): Named[] {
  const distinct = (names: readonly (string | null | undefined)[]) => [
    ...new Set(names.filter((name) => typeof name === 'string')),
  ];
  const [ids, owners] = [agents.map((agent) => agent.id), distinct(agents.map((agent) => agent.owner))];
  const teams = distinct(agents.map((agent) => agent.team));
  const valuesOf = (name: string) => distinct(agents.map(({ labels }) => labels[name]));
  return [
    ...id.filter(({ wild }) => !wild).map(({ text }) => ({ what: 'id', word: text, known: ids })),
    ...owner.map((word) => ({ what: 'owner', word, known: owners })),
    ...team.map((word) => ({ what: 'team', word, known: teams })),
    ...Object.entries(label).flatMap(([name, words]) =>
      words.map((word) => ({ what: `label ${name}`, word, known: valuesOf(name) })),
    ),
  ];
}
