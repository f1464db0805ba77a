// Names in selectors that no agent of the register has. Most are mistyped; in a guardrail such a name forbids nothing.
import type { Agent } from '../domain/agent.ts';
import { suggestion } from '../yaml/words.ts';
import type { Item } from './gather.ts';
import type { Selector } from './schema.ts';

/** A name as it stands in a selector, and those that would select somebody. */
interface Named {
  readonly key: 'id' | 'owner' | 'team' | 'label';
  readonly says: string;
  readonly word: string;
  readonly known: readonly string[];
}

/** Warns of each such name. Answers how many there are. */
export function judgeSelectors(
  item: Item<{ readonly agents?: readonly Selector[] | undefined }>,
  agents: readonly Agent[],
): number {
  const unknown = (item.value.agents ?? []).flatMap((selector, index) =>
    namedIn(selector, agents)
      .filter(({ word, known }) => !known.includes(word))
      .map((named) => ({ ...named, index })),
  );
  for (const { key, says, word, known, index } of unknown) {
    item.warn(['agents', index, key], `no agent of the register has the ${says} \`${word}\`${suggestion(word, known)}`);
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
    ...id.filter(({ wild }) => !wild).map(({ text }) => ({ key: 'id' as const, says: 'id', word: text, known: ids })),
    ...owner.map((word) => ({ key: 'owner' as const, says: 'owner', word, known: owners })),
    ...team.map((word) => ({ key: 'team' as const, says: 'team', word, known: teams })),
    ...Object.entries(label).flatMap(([name, words]) =>
      words.map((word) => ({ key: 'label' as const, says: `label ${name}`, word, known: valuesOf(name) })),
    ),
  ];
}
