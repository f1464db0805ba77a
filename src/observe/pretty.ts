// Log lines for people at a terminal: the members that the JSON line has and no other, with whatever could move a
// cursor shown escaped.

/** With or without colours. */
export type Pretty = 'plain' | 'coloured';

const COLOURS: Readonly<Record<string, number>> = { debug: 2, info: 32, warn: 33, error: 31 };
const DIM = 2;

/** One JSON line, with its end, as a line such as `10:00:00.123 info  receipt kind=settled agent=research-1 …`. */
export function prettyLine(json: string, pretty: Pretty): string {
  const { time, level, msg, ...members } = JSON.parse(json) as Record<string, unknown>;
  const paint = (text: string, colour: number): string =>
    pretty === 'coloured' ? `\u001b[${colour}m${text}\u001b[0m` : text;
  const told = Object.entries(members)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${paint(`${name}=`, DIM)}${shown(value)}`);
  const head = [
    paint(String(time).slice(11, 23), DIM),
    paint(String(level).padEnd(5), COLOURS[String(level)] ?? DIM),
    shown(msg),
  ];
  return `${[...head, ...told].join(' ')}\n`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(shown).join(',');
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => `\\u{${sign.codePointAt(0)?.toString(16)}}`);
}
