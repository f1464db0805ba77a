// What an expression of Prometheus asks for: which metrics with which labels. Reads as much of PromQL as ours use.

/** A metric that is selected, and what its labels must be. */
export interface Selection {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
}

/** The selections of an expression. */
export function selectionsOf(expression: string): Selection[] {
  return [...expression.matchAll(/\b([a-z_]+)\b(?!\s*\()(?:\{([^}]*)\})?/g)]
    .filter(([, name = '']) => name.startsWith('purser_'))
    .map(([, metric = '', inside = '']) => ({
      metric,
      matchers: [...inside.matchAll(/([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(([, label, operator, value]) => ({
        label: label ?? '',
        operator: operator ?? '',
        value: value ?? '',
      })),
    }));
}

/** The labels that an expression joins or groups by. */
export function groupingsOf(expression: string): string[] {
  return [...expression.matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  );
}

/** Series of a scrape (the text format 0.0.4): each metric's labels with the values seen. */
export function seriesOf(scrape: string): Map<string, Map<string, Set<string>>> {
  const metrics = new Map<string, Map<string, Set<string>>>();
  for (const line of scrape.split('\n')) {
    const [, name, inside = ''] = /^([a-z_]+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (name === undefined) continue;
    const labels = metrics.get(name) ?? new Map<string, Set<string>>();
    metrics.set(name, labels);
    for (const [, label = '', value = ''] of inside.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) {
      labels.set(label, (labels.get(label) ?? new Set()).add(value));
    }
  }
  return metrics;
}
