// The probes' port: health, readiness and metrics alone, plain, for orchestrators and scrapers. Nothing can be ordered
// here, and no receipt, key or budget line of one's choice can be asked for.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { judgeHost, judgeOrigin } from './guard.ts';
import { type Listener, openListener, type Place } from './listener.ts';
import { type PageParts, PROBES } from './pages.ts';
import { problem } from './problem.ts';
import { sendProblem } from './reply.ts';

/** Where the port listens, and what it tells. */
export interface ProbesOptions extends PageParts, Pick<Place, 'listen'> {
  /** Told of errors nobody foresaw. */
  readonly unexpected: (error: unknown) => void;
}

/** Builds the port; nothing listens before `listen`. */
export function createProbes(options: ProbesOptions): Listener {
  const { listen } = options;
  return openListener({ listen, tls: null }, (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      options.unexpected(error);
      if (response.headersSent) response.destroy();
      else sendProblem(response, problem('internal', 'The gateway met an error it did not foresee; see its log.'));
    });
  });
}

async function answer(options: ProbesOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const foreign = judgeHost(request.headers, options.listen.host) ?? judgeOrigin(request.headers);
  if (foreign) return sendProblem(response, foreign);
  const page = PROBES.get((request.url ?? '').split('?', 1)[0] ?? '');
  if (!page) return sendProblem(response, problem('not_found', 'Choose one of /healthz, /readyz, /metrics.'));
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return sendProblem(response, problem('method_not_allowed', 'This takes GET.'));
  }
  return page(options, response);
}
