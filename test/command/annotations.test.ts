// What pipelines show beside the line: the forms of GitHub and GitLab, from the command as it is run there.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { githubAnnotations, gitlabReport } from '../../src/command/annotations.ts';
import { folderWith } from '../config/folder.ts';
import { run } from './support.ts';

const FILES = {
  'deploy/config.yaml': 'identity: { development: true }\nlisten: { agents: "0.0.0.0:1", tlsAhead: true }\n',
  'deploy/policies/team.yaml': 'agents: []\nbudgets:\n  - { id: day, limit: 5 EUR, window: daily, per: all }\n',
};

test('in a job of GitHub Actions each problem is an annotation at its line, named from the repository', async () => {
  const root = folderWith(FILES);
  const env = { GITHUB_ACTIONS: 'true', GITHUB_WORKSPACE: root };
  const { code, out } = await run(['check', '--config', join(root, 'deploy/config.yaml')], env);
  expect(code).toBe(1);
  expect(out).toMatch(
    /^::error file=deploy\/policies\/team\.yaml,line=3,col=\d+,title=purser check%3A budgets\[0\]\.window::.*day/m,
  );
  expect(out).toMatch(/^::warning file=deploy\/config\.yaml,line=1,col=\d+,title=[^:]+::is on while agents connect/m);
  expect(out).toMatch(/deploy\/config\.yaml: \d+ errors?, \d+ warnings?\n$/);
});

test('--format decides before the environment, and --json before both', async () => {
  const root = folderWith(FILES);
  const config = ['--config', join(root, 'deploy/config.yaml')];
  const env = { GITHUB_ACTIONS: 'true' };
  expect((await run(['check', '--format', 'text', ...config], env)).out).not.toContain('::error');
  expect(JSON.parse((await run(['check', '--json', ...config], env)).out).ok).toBe(false);
  expect((await run(['check', '--format', 'github', ...config])).out).toContain('::error file=');
  expect((await run(['check', '--format', 'svg', ...config])).code).toBe(2);
});

test('for GitLab the whole output is a Code Quality report with its required fields', async () => {
  const root = folderWith(FILES);
  const args = ['check', '--format', 'gitlab', '--config', join(root, 'deploy/config.yaml')];
  const { code, out } = await run(args, { CI_PROJECT_DIR: root });
  expect(code).toBe(1);
  const issues: Record<string, unknown>[] = JSON.parse(out);
  expect(issues.map(({ severity }) => severity)).toEqual(expect.arrayContaining(['major', 'minor']));
  for (const issue of issues) {
    expect(issue).toMatchObject({ description: expect.any(String), check_name: 'purser check' });
    expect(issue.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  }
  const places = issues.map(({ location }) => location);
  expect(places).toContainEqual({ path: 'deploy/policies/team.yaml', lines: { begin: 3 } });
});

test('without problems a report is an empty list, and no annotation is made', () => {
  expect(JSON.parse(gitlabReport([], '/repo'))).toEqual([]);
  expect(githubAnnotations([], '/repo')).toBe('');
});

const problem = { file: '/repo/a,b:c.yaml', line: 7, col: 2, path: 'x', severity: 'error' } as const;

test('what a file holds cannot write a workflow command of its own', () => {
  const message = 'names 100%\n::error file=other::gotcha\u202e';
  const text = githubAnnotations([{ ...problem, message }], '/repo');
  expect(text.split('\n').length).toBe(2);
  expect(text).toContain('file=a%2Cb%3Ac.yaml,line=7,col=2,');
  expect(text).toContain('::names 100%25');
  expect(text).not.toContain('\u202e');
});

test('fingerprints tell problems apart, and stay when lines move', () => {
  const report = (...problems: { line: number }[]): { fingerprint: string }[] =>
    JSON.parse(
      gitlabReport(
        problems.map((place) => ({ ...problem, message: 'm', ...place })),
        '/repo',
      ),
    );
  const [first, second] = report({ line: 7 }, { line: 9 });
  expect(first?.fingerprint).not.toBe(second?.fingerprint);
  expect(report({ line: 70 })[0]?.fingerprint).toBe(first?.fingerprint);
});

test('a file outside the repository keeps its own path', () => {
  expect(githubAnnotations([{ ...problem, message: 'm' }], '/elsewhere')).toContain('file=/repo/a%2Cb%3Ac.yaml,');
});
