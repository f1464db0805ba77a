// The demo's configuration and policies, written as an operator would write them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the files have to name. */
export interface DemoPlaces {
  readonly agentsPort: number;
  readonly operatorsPort: number;
  readonly weatherUrl: string;
  readonly writerUrl: string;
}

/** Writes `config.yaml` and `policies/` into the folder; answers the configuration's path. */
export function writeDemoFiles(folder: string, places: DemoPlaces): string {
  mkdirSync(join(folder, 'policies'));
  writeFileSync(join(folder, 'policies', 'demo.yaml'), POLICIES);
  const config = join(folder, 'config.yaml');
  writeFileSync(config, configText(places));
  return config;
}

const configText = (places: DemoPlaces): string => `listen:
  agents: 127.0.0.1:${places.agentsPort}
  operators: 127.0.0.1:${places.operatorsPort}
identity: { development: true }
services:
  - { id: weather, upstream: "${places.weatherUrl}", provider: Acme Weather Inc., allowPrivateNetwork: true }
  - { id: writer, upstream: "${places.writerUrl}", provider: Wordsmith Ltd., allowPrivateNetwork: true }
assets:
  - { id: usd.sandbox, network: sandbox, token: usd, decimals: 2, value: "1 USD" }
wallets:
  - { id: play, rail: sandbox, key: { file: sandbox.pem } }
limits: { paymentSettle: 2s }
`;

const POLICIES = `agents:
  - { id: research-1, owner: dana@example.com, team: research, labels: { costCenter: "4711" } }
  - { id: writer-1, owner: sam@example.com, team: content }
  - { id: intern-1, owner: dana@example.com, team: research }
budgets:
  - { id: research-day, limit: 0.10 USD, window: day, per: team }
  - { id: content-day, limit: 1.00 USD, payments: 50, window: day, per: agent }
  - { id: everybody-month, limit: 100.00 USD, window: month, per: all }
entitlements:
  - id: research-buys-weather
    agents: { team: research }
    services: [weather]
    assets: [usd.sandbox]
    payees: [acme-weather]
    ceiling: 0.50 USD
    budgets: [research-day]
    because: forecasts for the planning team
  - id: content-buys-words
    agents: { team: content }
    services: [writer]
    requests: ["POST /v1/**"]
    assets: [usd.sandbox]
    payees: [wordsmith]
    ceiling: 0.10 USD
    budgets: [content-day]
guardrails:
  budgets: [everybody-month]
`;
