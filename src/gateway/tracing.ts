// Traces for a collector where the environment asks for them. Its connections are made by the one door out, like every
// other; what it costs when it fails is said in the log, and nowhere else.
import { StartFailed } from '../gateway.ts';
import { errorFacts, type Log } from '../observe/log.ts';
import { readCollector } from '../trace/settings.ts';
import type { RequestTracer } from '../trace/span.ts';
import { openAgent } from '../upstream/door.ts';

const TELL_EVERY_MS = 60_000;

/** Null where nobody asks for traces; the SDK is not loaded then. Throws {@link StartFailed} for settings to mend. */
export async function openTracer(
  env: Readonly<Record<string, string | undefined>>,
  version: string,
  log: Log,
): Promise<RequestTracer | null> {
  const settings = readCollector(env);
  if (settings === null) return null;
  if ('problems' in settings) throw new StartFailed(settings.problems.join('\n'));
  const { openCollector } = await import('../trace/collector.ts');
  // Collectors live beside the gateway, so private addresses are allowed; link-local and other special ones are not.
  const agent = openAgent({ origin: new URL(settings.url).origin, allowPrivateNetwork: true, ca: settings.ca });
  return openCollector(settings, { version, agent, lost: tellLosses(log) });
}

/** At most one line a minute, with everything that was lost since the last. */
function tellLosses(log: Log): (spans: number, error: unknown) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  let count = 0;
  return (spans, error) => {
    count += spans;
    const now = performance.now();
    if (now - toldAt < TELL_EVERY_MS) return;
    toldAt = now;
    log.event('warn', 'spans were lost: the collector of traces does not take them', {
      count,
      error: errorFacts(error),
    });
    count = 0;
  };
}
