#!/usr/bin/env python3
"""Every command of adapters/raft/README.md runs and prints what the README says, and what talks to the gateway does so on etcd too.

usage: raft_readme_test.py RAFTD README    Behind a command, `# exit N` states its exit code, else 0, and `# prints TEXT` what it prints.

All commands of the README share one shell, as they would at a desk. Its addresses become ephemeral ports. What stands under "Talk to
it" is asked of one etcd as well.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import readme_test

ADDRESS = re.compile(r'127\.0\.0\.1:(\d+)')
FOR_BOTH = '## Talk to it'
MARK = 'COMMAND-ENDED-WITH'


class Shell:
    """One bash in a session of its own, which ends with all that it started."""

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(['bash'], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors='replace', start_new_session=True)

    def run(self, command):
        """(exit code, output)"""
        self.process.stdin.write(f'{command}\necho "{MARK} $?"\n')
        self.process.stdin.flush()
        printed = ''
        for line in self.process.stdout:
            printed += line
            ended = re.search(rf'{MARK} (\d+)\n', printed)
            if ended:
                return int(ended[1]), printed[:ended.start()]
        return -1, printed

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def run_all(shell, text, place, target):
    failed = 0
    for command in readme_test.commands(text):
        bare, _, said = command.partition('   #')
        code, printed = shell.run(ADDRESS.sub(lambda found: place(int(found[1])), bare))
        expected = re.search(r' exit (\d+)', said)
        wanted = re.search(r' prints (.+)', said)
        print(f'[{code}] {target}: {bare}')
        if code != (int(expected[1]) if expected else 0) or (wanted and wanted[1] not in printed):
            failed += 1
            print(f'expected{said or " exit 0"}:\n{printed}')
    return failed


def main():
    raftd, readme = (pathlib.Path(name).resolve() for name in sys.argv[1:3])
    text = readme.read_text(encoding='utf-8')
    folder = tempfile.mkdtemp(prefix='faultline-raft-readme-')
    environment = {**os.environ, 'PATH': f'{folder}/bin:{os.environ["PATH"]}'}
    os.mkdir(f'{folder}/bin')
    os.symlink(raftd, f'{folder}/bin/raftd')
    ports = {}

    def own_place(port):
        while port not in ports:
            fresh = readme_test.free_port()
            if fresh not in ports.values():
                ports[port] = fresh
        return f'127.0.0.1:{ports[port]}'

    shell = Shell(folder, environment)
    try:
        failed = run_all(shell, text, own_place, 'raftd')
    finally:
        shell.close()
    etcd = readme_test.Etcd(folder)
    shell = Shell(folder, environment)
    try:
        section = text[text.index(FOR_BOTH):]
        section = section[:section.index('\n## ')]
        failed += run_all(shell, section, lambda _: etcd.url.removeprefix('http://'), 'etcd')
    finally:
        shell.close()
        etcd.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
