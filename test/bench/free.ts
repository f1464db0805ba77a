// The free path: what identity, admission and the relay cost a request that needs no payment, against the barest proxy
// and the usual one.
import { policy, spawnGateway } from '../support/gateway.ts';
import { CORE, pin, processorUs, startServer } from './children.ts';
import { interleaved, ratios, row, verdict } from './figures.ts';
import { hammer } from './load.ts';
import type { BenchOptions } from './main.ts';

const CONNECTIONS = 16;
const PATH = '/shop/v1/forecast';

/** Measures and prints; answers whether each goal holds. */
export async function benchFree({ quick }: BenchOptions): Promise<boolean[]> {
  const upstream = await startServer('upstream-server.ts', CORE.load);
  const gateway = await spawnGateway({ upstream: upstream.url, policies: policy() });
  pin(gateway.child.pid ?? 0, CORE.measured);
  const bare = await startServer('bare-proxy.ts', CORE.measured, [upstream.url]);
  const usual = await startServer('http-proxy-server.ts', CORE.measured, [upstream.url]);
  const headers = { 'purser-token': await gateway.token() };
  const target = (url: string, pid: number) => {
    const costs: number[] = [];
    const run = async (ms: number) => {
      const before = processorUs(pid);
      const began = performance.now();
      const rate = await hammer({ url, path: PATH, headers, connections: CONNECTIONS }, ms);
      costs.push((processorUs(pid) - before) / (rate * ((performance.now() - began) / 1_000)));
      return rate;
    };
    return { run, costs };
  };
  const targets = {
    bare: target(bare.url, bare.pid),
    usual: target(usual.url, usual.pid),
    purser: target(gateway.agents, gateway.child.pid ?? 0),
  };
  try {
    const [rounds, ms, warmUp] = quick ? [5, 500, 1_500] : [15, 800, 3_000];
    for (const each of Object.values(targets)) {
      await each.run(warmUp);
      each.costs.length = 0;
    }
    const rates = await interleaved(rounds, {
      bare: () => targets.bare.run(ms),
      usual: () => targets.usual.run(ms),
      purser: () => targets.purser.run(ms),
    });
    return report(rates, { bare: targets.bare.costs, usual: targets.usual.costs, purser: targets.purser.costs });
  } finally {
    await Promise.all([gateway.close(), bare.stop(), usual.stop()]);
    await upstream.stop();
  }
}

type Measured = Readonly<Record<'bare' | 'usual' | 'purser', number[]>>;

function report(rates: Measured, costs: Measured): boolean[] {
  console.log(`\nFree path: ${CONNECTIONS} connections, keep-alive, 512 bytes of JSON, one verified token`);
  row('bare undici dispatch proxy', rates.bare, '/s');
  row('http-proxy 1.18', rates.usual, '/s');
  row('Purser', rates.purser, '/s');
  row('bare proxy, processor time a request', costs.bare, 'µs');
  row('http-proxy, processor time a request', costs.usual, 'µs');
  row('Purser, processor time a request', costs.purser, 'µs');
  return [
    verdict({
      name: 'Purser ÷ bare proxy',
      rounds: ratios(rates.purser, rates.bare),
      goal: { atLeast: 0.75 },
      unit: '×',
      inTheWay:
        'processor time beside the two proxied messages: the access line and counters, token and policy, ' +
        'the promises of each step, and the memory they all leave to collect.',
    }),
    verdict({
      name: 'Purser ÷ http-proxy',
      rounds: ratios(rates.purser, rates.usual),
      goal: { atLeast: 2 },
      unit: '×',
      inTheWay: 'the bare proxy is itself hardly faster than that; see the processor times above.',
    }),
  ];
}
