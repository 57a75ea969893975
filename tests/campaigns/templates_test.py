#!/usr/bin/env python3
"""Executes each template under adapters/cli/ci with a small campaign and compares what it made with the campaign run in one piece.

usage: templates_test.py FAULTLINE SOURCE github|gitlab|slurm|kubernetes

GitHub and GitLab: the YAML is parsed, and the steps are run by a shell as their runners would: expressions replaced, artefacts copied,
every job of a matrix on its own. SLURM: a cluster of one node is started. Kubernetes: every field is checked against those of batch/v1,
and the containers' commands are run with the environment of an indexed Job. What is not installed is said and passed over.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import slurm_cluster

LIMIT = 280


class Bench:
    def __init__(self, binary, source):
        self.binary = pathlib.Path(binary).resolve()
        self.source = pathlib.Path(source).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='faultline-ci-'))
        self.campaign = pathlib.Path(__file__).resolve().parent / 'tiny.toml'
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(('SLURM_', 'CI_', 'JOB_', 'GITHUB_', 'FAULTLINE_SHARD'))}
        self.environment['FAULTLINE_STATE'] = str(self.folder / 'state')

    def template(self, name):
        return self.source / 'adapters' / 'cli' / 'ci' / name

    def whole(self):
        """The result of the campaign in one piece, and its exit code."""
        out = self.folder / 'whole'
        code = self.shell(f'"{self.binary}" campaign "{self.campaign}" --out "{out}" --quiet', self.folder)
        assert code in (0, 1, 2), code
        return (out / 'campaign.json').read_bytes(), code

    def shell(self, script, cwd, extra=None):
        cwd.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(['bash', '-e', '-o', 'pipefail', '-c', script], cwd=cwd, env={**self.environment, **(extra or {})},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, check=False)
        print(done.stdout.decode('utf-8', 'replace'), end='')
        return done.returncode

    def checkout(self, name):
        """A working copy as a runner would have it: the launcher, and what the template names."""
        folder = self.folder / name
        folder.mkdir()
        (folder / 'faultline').symlink_to(self.binary)
        return folder


def yaml_documents(path):
    try:
        import yaml
    except ImportError:
        print('python3-yaml is not installed: passed over')
        sys.exit(0)
    return list(yaml.safe_load_all(path.read_text(encoding='utf-8')))


def substituted(text, values):
    def value(match):
        name = match.group(1).strip()
        assert name in values, f'the runner knows no {name}'
        return str(values[name])
    return re.sub(r'\$\{\{(.*?)\}\}', value, text)


def copy_tree(source, target):
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


class GitHub:
    """As much of a runner as the template needs: run steps, expressions, and artefacts as folders."""
    def __init__(self, bench):
        self.bench = bench
        self.workflow = yaml_documents(bench.template('github-actions.yml'))[0]
        self.artefacts = bench.folder / 'artefacts'
        self.origin = bench.folder / 'origin.git'
        self.failed = {}

    def play(self, job_name, matrix, values, name):
        job = self.workflow['jobs'][job_name]
        cwd = self.bench.checkout(name)
        subprocess.run(['git', 'init', '-q', str(cwd)], check=True)
        subprocess.run(['git', '-C', str(cwd), 'remote', 'add', 'origin', str(self.origin)], check=True)
        values = {**values, **{f'matrix.{key}': value for key, value in matrix.items()}}
        environment = {**self.workflow.get('env', {}), **job.get('env', {}), 'CAMPAIGN': str(self.bench.campaign),
                       'GITHUB_STEP_SUMMARY': str(cwd / 'step-summary.md')}
        environment = {key: substituted(str(value), values) for key, value in environment.items()}
        code = 0
        for step in job['steps']:
            if code != 0 and step.get('if') != 'always()':
                continue
            uses, options = step.get('uses', ''), {k: substituted(str(v), values) for k, v in step.get('with', {}).items()}
            if 'run' in step:
                code = code or self.bench.shell(substituted(step['run'], values), cwd, environment)
            elif uses.startswith('actions/upload-artifact@'):
                shutil.rmtree(self.artefacts / options['name'], ignore_errors=True)
                copy_tree(cwd / options['path'], self.artefacts / options['name'])
            elif uses.startswith('actions/download-artifact@'):
                prefix = options['pattern'].rstrip('*')
                for artefact in self.artefacts.iterdir():
                    if artefact.name.startswith(prefix):
                        copy_tree(artefact, cwd / options['path'] / artefact.name)
            else:
                assert uses.startswith('actions/checkout@'), uses
        return cwd, code


def github(bench):
    runner = GitHub(bench)
    subprocess.run(['git', 'init', '-q', '--bare', str(runner.origin)], check=True)
    shards = runner.workflow['jobs']['shard']['strategy']['matrix']['shard']
    assert runner.workflow['jobs']['morning']['needs'] == 'shard'
    for shard in shards:
        _, code = runner.play('shard', {'shard': shard}, {'strategy.job-total': len(shards)}, f'shard-{shard}')
        assert code == 0, f'shard {shard} ended with {code}'
    whole, whole_code = bench.whole()
    for night in (1, 2):
        cwd, code = runner.play('morning', {}, {}, f'morning-{night}')
        assert code == whole_code, (code, whole_code)
        assert (cwd / 'night' / 'campaign.json').read_bytes() == whole
        assert (cwd / 'step-summary.md').read_text().startswith('## ')
        nights = subprocess.run(['git', '-C', str(runner.origin), 'ls-tree', '--name-only', 'nights'], stdout=subprocess.PIPE, check=True)
        assert nights.stdout.decode().endswith('-tiny.json\n'), nights.stdout
        if night == 1:
            # The second morning has the first one's file in the branch, and has to say something new to commit.
            for shard in shards:
                results = runner.artefacts / f'shard-{shard}' / 'results.jsonl'
                results.write_text(re.sub(r'"began":"\d{4}', '"began":"2099', results.read_text(), count=1))


def gitlab(bench):
    pipeline = yaml_documents(bench.template('gitlab-ci.yml'))[0]
    campaign, morning = pipeline['campaign'], pipeline['morning']
    assert campaign['stage'] in pipeline['stages'] and morning['stage'] in pipeline['stages'] and morning['needs'] == ['campaign']
    total = campaign['parallel']
    last = bench.checkout('morning')
    for index in range(1, total + 1):
        cwd = bench.checkout(f'job-{index}')
        environment = {**pipeline['variables'], 'CAMPAIGN': str(bench.campaign), 'CI_NODE_INDEX': str(index), 'CI_NODE_TOTAL': str(total)}
        assert bench.shell('\n'.join(campaign['script']), cwd, environment) == 0
        for path in campaign['artifacts']['paths']:
            copy_tree(cwd / path, last / path)
    code = bench.shell('\n'.join(morning['script']), last)
    whole, whole_code = bench.whole()
    assert code == whole_code, (code, whole_code)
    assert (last / 'night' / 'campaign.json').read_bytes() == whole
    assert (last / morning['artifacts']['reports']['junit']).exists() and list((last / 'nights').glob('*-tiny.json'))


def slurm(bench):
    why = slurm_cluster.missing()
    if why:
        print(f'no SLURM here: {why}; passed over')
        return
    folder = bench.folder / 'cluster'
    folder.mkdir(mode=0o700)
    cluster = None
    night = bench.folder / 'night'
    try:
        cluster = slurm_cluster.Cluster.__new__(slurm_cluster.Cluster)
        cluster.processes = []
        cluster.__init__(folder)
        job = cluster.ask('sbatch', '--parsable', '--array=1-4', f'--output={bench.folder}/task-%a.log', f'--chdir={bench.folder}',
                          str(bench.template('slurm-array.sh')),
                          environment={'FAULTLINE': str(bench.binary), 'CAMPAIGN': str(bench.campaign), 'NIGHT': str(night),
                                       'HISTORY': str(bench.folder / 'nights'), 'FAULTLINE_STATE': str(bench.folder / 'state')}).strip()
        assert job.isdigit(), job
        cluster.await_true('the array and its merge are done', lambda: cluster.ask('squeue', '-h') == '', seconds=LIMIT)
        for task in range(1, 5):
            print((bench.folder / f'task-{task}.log').read_text(errors='replace'), end='')
        print((night / 'merge.log').read_text(errors='replace'), end='')
    finally:
        if cluster:
            cluster.close()
    whole, _ = bench.whole()
    assert (night / 'merged' / 'campaign.json').read_bytes() == whole
    assert list((bench.folder / 'nights').glob('*-tiny.json'))


# The fields of batch/v1 Job and what they hold that the template may use (Kubernetes API reference, v1.25 and later).
ENV = [{'name': str, 'value': str}]
CONTAINER = {'name': str, 'image': str, 'command': [str], 'args': [str], 'env': ENV,
             'securityContext': {'capabilities': {'add': [str], 'drop': [str]}},
             'resources': {'requests': {'cpu': str, 'memory': str}, 'limits': {'cpu': str, 'memory': str}},
             'volumeMounts': [{'name': str, 'mountPath': str}]}
JOB = {'apiVersion': str, 'kind': str, 'metadata': {'name': str},
       'spec': {'completionMode': str, 'completions': int, 'parallelism': int, 'backoffLimit': int, 'activeDeadlineSeconds': int,
                'template': {'spec': {'restartPolicy': str, 'containers': [CONTAINER],
                                      'volumes': [{'name': str, 'persistentVolumeClaim': {'claimName': str}}]}}}}


def check_fields(value, schema, place):
    if isinstance(schema, type):
        assert isinstance(value, schema) and not (schema is int and isinstance(value, bool)), f'{place}: {value!r} is no {schema.__name__}'
    elif isinstance(schema, list):
        assert isinstance(value, list) and value, f'{place} is no list'
        for i, item in enumerate(value):
            check_fields(item, schema[0], f'{place}[{i}]')
    else:
        assert isinstance(value, dict), f'{place} is no object'
        for key, item in value.items():
            assert key in schema, f'{place}.{key}: batch/v1 has no such field'
            check_fields(item, schema[key], f'{place}.{key}')


def check_job(job):
    check_fields(job, JOB, job['metadata']['name'])
    spec = job['spec']
    pod = spec['template']['spec']
    assert (job['apiVersion'], job['kind']) == ('batch/v1', 'Job')
    assert re.fullmatch(r'[a-z0-9]([-a-z0-9]*[a-z0-9])?', job['metadata']['name'])
    assert pod['restartPolicy'] in ('OnFailure', 'Never')
    assert spec.get('completionMode', 'NonIndexed') in ('Indexed', 'NonIndexed')
    volumes = {volume['name'] for volume in pod['volumes']}
    for container in pod['containers']:
        assert {mount['name'] for mount in container['volumeMounts']} <= volumes


def kubernetes(bench):
    shards, merge = yaml_documents(bench.template('kubernetes-job.yaml'))
    for job in (shards, merge):
        check_job(job)
    for wrong in ({'spec': {'complections': 4}}, {'spec': {'completions': '4'}}):
        try:
            check_fields(wrong, JOB, 'wrong')
        except AssertionError:
            continue
        raise AssertionError(f'the check of fields let {wrong} pass')
    spec = shards['spec']
    container = spec['template']['spec']['containers'][0]
    given = {variable['name']: variable['value'] for variable in container['env']}
    assert spec['completionMode'] == 'Indexed' and given['JOB_COMPLETIONS'] == str(spec['completions'])
    night = bench.folder / 'night'
    night.mkdir()
    shutil.copy(bench.campaign, night / 'campaign.toml')
    bin_folder = bench.folder / 'bin'
    bin_folder.mkdir()
    (bin_folder / 'faultline').symlink_to(bench.binary)
    path = f'{bin_folder}:{bench.environment["PATH"]}'

    def pod(job, extra):
        one = job['spec']['template']['spec']['containers'][0]
        script = one['args'][0].replace('/night', str(night))
        done = subprocess.run([*one['command'], script], env={**bench.environment, **given, **extra, 'PATH': path}, timeout=LIMIT,
                              stdin=subprocess.DEVNULL, check=False)
        return done.returncode

    for index in range(spec['completions']):
        assert pod(shards, {'JOB_COMPLETION_INDEX': str(index)}) == 0
    code = pod(merge, {})
    whole, whole_code = bench.whole()
    assert code == whole_code, (code, whole_code)
    assert (night / 'merged' / 'campaign.json').read_bytes() == whole


def main():
    bench = Bench(sys.argv[1], sys.argv[2])
    {'github': github, 'gitlab': gitlab, 'slurm': slurm, 'kubernetes': kubernetes}[sys.argv[3]](bench)
    shutil.rmtree(bench.folder)
    print('ok')


if __name__ == '__main__':
    main()
