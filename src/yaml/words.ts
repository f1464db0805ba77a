// The nearest known name, and the words of other products answered with ours.

/** Words of other products, in any case and with any separators, and what we call the thing. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  hourly: ['hour'],
  daily: ['day', 'window: day'],
  weekly: ['week', 'window: week'],
  monthly: ['month', 'window: month'],
  yearly: ['year', 'window: year'],
  annual: ['year'],
  annually: ['year'],
  alltime: ['total', 'window: total'],
  lifetime: ['total', 'window: total'],
  forever: ['total', 'window: total'],
  none: ['total'],
  global: ['all'],
  user: ['owner'],
  customer: ['owner'],
  tenant: ['team'],
  group: ['team'],
  recipient: ['payee', 'payees'],
  recipients: ['payees'],
  payto: ['payees'],
  amount: ['limit', 'ceiling'],
  max: ['limit', 'ceiling'],
  maxamount: ['ceiling', 'limit'],
  maxprice: ['ceiling'],
  cap: ['limit', 'ceiling'],
  maxbudget: ['limit'],
  count: ['payments'],
  maxpayments: ['payments'],
  duration: ['window', 'rolling'],
  period: ['window'],
  interval: ['window'],
  budgetduration: ['window'],
  scope: ['per'],
  rules: ['entitlements'],
  allow: ['entitlements'],
  permissions: ['entitlements'],
  grants: ['entitlements'],
  deny: ['guardrails: { deny: … }'],
  limits: ['budgets'],
  routes: ['requests', 'services'],
  paths: ['requests'],
  expires: ['until'],
  expiry: ['until'],
  tags: ['labels'],
  name: ['id'],
  url: ['upstream'],
  baseurl: ['upstream'],
  target: ['upstream'],
  upstreams: ['services'],
  chain: ['network'],
  contract: ['token'],
  address: ['token'],
  privatekey: ['key'],
  aud: ['audience'],
  iss: ['issuer'],
  jwks: ['keys'],
  jwksuri: ['keys'],
  reason: ['because'],
  port: ['agents'],
  sliding: ['rolling'],
  memory: ['embedded'],
  sqlite: ['embedded'],
  local: ['embedded'],
};

const plain = (word: string): string => word.toLowerCase().replace(/[\s_.-]/g, '');

/** Our word for `word`, else the known name nearest to it; undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const sought = plain(word);
  const same = known.find((name) => plain(name) === sought);
  if (same !== undefined) return same;
  const ours = Object.hasOwn(FOREIGN, sought) ? FOREIGN[sought] : undefined;
  const translated = ours?.find((name) => known.includes(name.split(':')[0] ?? name));
  if (translated !== undefined) return translated;
  const reach = Math.max(1, Math.floor(sought.length / 3));
  let best: { name: string; steps: number } | undefined;
  for (const name of known) {
    const steps = distance(sought.slice(0, 64), plain(name).slice(0, 64));
    if (steps <= reach && (best === undefined || steps < best.steps)) best = { name, steps };
  }
  return best?.name;
}

/** `; did you mean "x"?`, `; known: a, b, c` when there are few, or nothing. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  if (near !== undefined) return `; did you mean \`${near}\`?`;
  return known.length > 0 && known.length <= 16 ? `; known here: ${known.join(', ')}` : '';
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const next = [row];
    for (let column = 1; column <= to.length; column++) {
      const equal = from[row - 1] === to[column - 1];
      let steps = Math.min(
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (equal ? 0 : 1),
      );
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (row > 1 && column > 1 && swapped) steps = Math.min(steps, (before[column - 2] ?? 0) + 1);
      next.push(steps);
    }
    before = last;
    last = next;
  }
  return last[to.length] ?? to.length;
}
