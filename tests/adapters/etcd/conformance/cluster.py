"""Clusters of three daemons on loopback, of Debian's etcd or of raftd, one temporary folder each, ended on every way out.

Each cluster listens on addresses of its own in 127.0.0.0/8, so that parallel clusters and other tests never take each
other's ports. The kernel kills a daemon when the thread that started it is gone: start and stop in one thread.
"""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import http1

MEMBERS = ('n1', 'n2', 'n3')
RAFTD_ID = 9_000_000  # of n1 less one: above every id that a script picks
_libc = ctypes.CDLL(None)
_serial = itertools.count(1)
_running = set()
_stopping = threading.Event()
_lock = threading.Lock()


class Failed(Exception):
    """The cluster, not its answers."""


def stop_all():
    """For the ways out that no `finally` sees."""
    _stopping.set()
    for daemon in list(_running):
        daemon.kill()


def _die_with_parent():
    pr_set_pdeathsig = 1
    _libc.prctl(pr_set_pdeathsig, signal.SIGKILL)


def _free_ports(host, count):
    """Distinct ones: all are held until the last is found."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((host, 0))
        return [probe.getsockname()[1] for probe in probes]


class Cluster:
    """`command`: None for etcd, else the words that start a raftd; the flags of one member are appended."""

    def __init__(self, command=None):
        self.command = command
        self.folder = tempfile.mkdtemp(prefix='faultline-conformance-')
        serial = next(_serial)
        pid = os.getpid()
        self.host = f'127.{1 + pid // 250 % 250}.{1 + pid % 250}.{serial % 250 + 1}'
        ports = _free_ports(self.host, 2 * len(MEMBERS))
        self.peer = dict(zip(MEMBERS, ports))
        self.client = dict(zip(MEMBERS, ports[len(MEMBERS):]))
        self.daemons = {}
        try:
            for name in MEMBERS:
                self.start(name)
            self._wait_until_up()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for daemon in self.daemons.values():
            daemon.kill()
        for daemon in self.daemons.values():
            daemon.wait()
            with _lock:
                _running.discard(daemon)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name):
        if _stopping.is_set():
            raise Failed('interrupted')
        with open(f'{self.folder}/{name}.log', 'ab') as log:
            daemon = subprocess.Popen(self._words(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      preexec_fn=_die_with_parent, cwd=self.folder)
        self.daemons[name] = daemon
        with _lock:
            _running.add(daemon)

    def signal(self, name, number):
        self.daemons[name].send_signal(number)
        # A stop reaches one thread after the other: until the last has it, the member may still vote and acknowledge.
        while number == signal.SIGSTOP and not self._is_stopped(name):
            time.sleep(0.001)

    def _is_stopped(self, name):
        tasks = pathlib.Path(f'/proc/{self.daemons[name].pid}/task')
        try:
            states = [(task / 'stat').read_text(encoding='utf-8').rpartition(')')[2].split()[0] for task in tasks.iterdir()]
        except OSError:
            return False  # a thread has ended meanwhile
        return all(state == 'T' for state in states)

    def address(self, name):
        return self.host, self.client[name]

    def peer_url(self, name):
        return f'http://{self.host}:{self.peer[name]}'

    def client_url(self, name):
        return f'http://{self.host}:{self.client[name]}'

    def call(self, name, path, body=None, limit=5.0):
        """One call and its parsed reply, for the runner's own questions."""
        method, data = ('GET', b'') if body is None else ('POST', json.dumps(body).encode())
        exchange = http1.Exchange(self.address(name), method, path, data)
        try:
            text = exchange.rest(time.monotonic() + limit)
        finally:
            exchange.close()
        if exchange.status != 200:
            raise Failed(f'{name} {path}: {exchange.status} {text}')
        return json.loads(text)

    def status(self, name):
        return self.call(name, '/v3/maintenance/status', {})

    def settle(self, limit=30.0):
        """Waits until all members agree on leader and term and have applied the same. Returns (leader's name, term, revision, ids)."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and not _stopping.is_set():
            try:
                seen = {name: self.status(name) for name in MEMBERS}
            except (OSError, http1.Broken, Failed):
                time.sleep(0.05)
                continue
            views = {(s.get('leader'), s['header'].get('raft_term'), s['header']['revision'], s.get('raftAppliedIndex'))
                     for s in seen.values()}
            ids = {name: s['header']['member_id'] for name, s in seen.items()}
            leader, term, revision, _ = views.pop()
            if not views and leader in ids.values():
                return next(n for n, i in ids.items() if i == leader), term, int(revision), ids
            time.sleep(0.02)
        raise Failed('the members did not agree in time')

    def log(self):
        text = ''
        for name in MEMBERS:
            with open(f'{self.folder}/{name}.log', encoding='utf-8', errors='replace') as log:
                text += f'--- {name}\n' + ''.join(line[:200].rstrip() + '\n' for line in log.readlines()[-6:])
        return text

    def _words(self, name):
        data = f'{self.folder}/{name}'
        if self.command is not None:
            ids = {n: RAFTD_ID + i for i, n in enumerate(MEMBERS, 1)}
            peers = ','.join(f'{ids[n]}={self.host}:{self.peer[n]}/{self.host}:{self.client[n]}' for n in MEMBERS)
            return [*shlex.split(self.command), '--id', str(ids[name]), '--cluster', peers,
                    '--listen', f'{self.host}:{self.client[name]}', '--data', data]
        return ['/usr/bin/etcd', '--name', name, '--data-dir', data, '--logger', 'zap', '--log-outputs', 'stderr',
                '--listen-peer-urls', self.peer_url(name), '--initial-advertise-peer-urls', self.peer_url(name),
                '--listen-client-urls', self.client_url(name), '--advertise-client-urls', self.client_url(name),
                '--initial-cluster', ','.join(f'{n}={self.peer_url(n)}' for n in MEMBERS),
                '--initial-cluster-token', self.folder]

    def _wait_until_up(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not _stopping.is_set():
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None:
                    raise Failed(f'{name} exited with {daemon.returncode}\n{self.log()}')
            try:
                # etcd settles the cluster version some time after the first leader; until then that log entry may come.
                versions = [self.call(name, '/version') for name in MEMBERS]
                if all(v.get('etcdcluster') != 'not_decided' for v in versions):
                    return
            except (OSError, http1.Broken, Failed):
                pass
            time.sleep(0.05)
        raise Failed(f'the cluster is not up after 60 s\n{self.log()}')
