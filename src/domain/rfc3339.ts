// Date-times of RFC 3339, read strictly: `Date.parse` takes 30 February for 2 March, and NaN never looks expired.

const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

const LAST_YEAR = 9998;

/**
 * Milliseconds since 1970 of an RFC 3339 date-time, smaller parts dropped; undefined for anything else. The date must
 * be in the calendar and from 1970 to 9998, the time zone stated, `T` and `Z` upper case; there is no second 60.
 */
export function readInstant(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, ...number[]];
  if (year > LAST_YEAR) return undefined;
  const fraction = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const local = new Date(0);
  local.setUTCFullYear(year, (month ?? 0) - 1, day);
  local.setUTCHours(hour ?? 0, minute, second, fraction);
  // What overflowed (31 April, 24:00, second 60) comes back as another time.
  const written = `${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}`;
  if (!local.toISOString().startsWith(written)) return undefined;
  const offset = offsetMs(match[8], match[9], match[10]);
  if (offset === undefined) return undefined;
  const instant = local.getTime() - offset;
  return instant >= 0 ? instant : undefined;
}

function offsetMs(sign: string | undefined, hours: string | undefined, minutes: string | undefined) {
  if (sign === undefined) return 0;
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}
