"""Clusters of raftd on loopback for the tests here: an address of their own in 127.0.0.0/8, a temporary folder, gone on every way out.

The kernel kills a node when the thread that started it is gone: start and stop in one thread.
"""
import atexit
import base64
import ctypes
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

_libc = ctypes.CDLL(None)
_serial = itertools.count(1)
_running = set()


def _die_with_parent():
    pr_set_pdeathsig = 1
    _libc.prctl(pr_set_pdeathsig, signal.SIGKILL)


def _end_all(*_):
    for process in list(_running):
        process.kill()


atexit.register(_end_all)


def text64(text):
    return base64.b64encode(text.encode()).decode()


def free_port(host):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Failed(Exception):
    """A node did not do what was asked of it; the text says which and shows its last words."""


class Client:
    """One connection, kept alive."""

    def __init__(self, host, port, limit):
        self.connection = http.client.HTTPConnection(host, port, timeout=limit)

    def ask(self, path, body=None):
        """(status, text)."""
        data = None if body is None else json.dumps(body)
        self.connection.request('GET' if body is None else 'POST', path, data)
        reply = self.connection.getresponse()
        return reply.status, reply.read().decode()

    def close(self):
        self.connection.close()


class Nodes:
    """`count` founders with the ids 1 to `count`; others may join."""

    def __init__(self, raftd, count=3, flags=()):
        self.raftd = raftd
        self.flags = list(flags)
        self.folder = tempfile.mkdtemp(prefix='faultline-raftd-')
        pid = os.getpid()
        self.host = f'127.{1 + pid // 250 % 250}.{1 + pid % 250}.{100 + next(_serial) % 150}'
        self.founders = range(1, count + 1)
        self.ports = {}
        self.processes = {}
        for node in self.founders:
            self.add_ports(node)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for node in list(self.processes):
            self.kill(node)
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_ports(self, node):
        taken = {port for pair in self.ports.values() for port in pair}
        fresh = []
        while len(fresh) < 2:
            port = free_port(self.host)
            if port not in taken and port not in fresh:
                fresh.append(port)
        self.ports[node] = tuple(fresh)

    def address(self, node):
        peer, client = self.ports[node]
        return f'{self.host}:{peer}/{self.host}:{client}'

    def data(self, node):
        return f'{self.folder}/{node}'

    def words(self, node, members=None, extra=()):
        cluster = ','.join(f'{n}={self.address(n)}' for n in (members or self.founders))
        return [self.raftd, '--id', str(node), '--cluster', cluster, '--data', self.data(node), '--events',
                f'{self.folder}/{node}.events', *self.flags, *extra]

    def start(self, node, members=None, extra=()):
        with open(f'{self.folder}/{node}.log', 'ab') as log:
            process = subprocess.Popen(self.words(node, members, extra), stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, preexec_fn=_die_with_parent)
        self.processes[node] = process
        _running.add(process)

    def start_all(self):
        for node in self.founders:
            self.start(node)

    def kill(self, *nodes):
        for node in nodes:
            self.processes[node].kill()
        for node in nodes:
            process = self.processes.pop(node)
            process.wait()
            _running.discard(process)

    def exit_code(self, node, limit=20):
        """Of a node that is to end by itself."""
        try:
            return self.processes[node].wait(limit)
        except subprocess.TimeoutExpired as error:
            raise Failed(f'node {node} goes on\n{self.log(node)}') from error

    def log(self, node):
        with open(f'{self.folder}/{node}.log', encoding='utf-8', errors='replace') as file:
            return file.read()

    def events(self, node):
        with open(f'{self.folder}/{node}.events', encoding='utf-8') as file:
            return [json.loads(line) for line in file]

    def client(self, node, limit=10.0):
        return Client(self.host, self.ports[node][1], limit)

    def ask(self, node, path, body=None, limit=10.0):
        client = self.client(node, limit)
        try:
            return client.ask(path, body)
        finally:
            client.close()

    def put(self, node, key, value, limit=10.0):
        """The revision of an acknowledged write."""
        status, text = self.ask(node, '/v3/kv/put', {'key': text64(key), 'value': text64(value)}, limit)
        if status != 200:
            raise Failed(f'put at node {node}: {status} {text}')
        return int(json.loads(text)['header']['revision'])

    def get(self, node, key):
        status, text = self.ask(node, '/v3/kv/range', {'key': text64(key)})
        if status != 200:
            raise Failed(f'range at node {node}: {status} {text}')
        kvs = json.loads(text).get('kvs')
        return base64.b64decode(kvs[0]['value']).decode() if kvs else None

    def debug(self, node):
        return json.loads(self.ask(node, '/debug/raft')[1])

    def check_alive(self):
        for node, process in self.processes.items():
            if process.poll() is not None:
                raise Failed(f'node {node} ended with {process.returncode}\n{self.log(node)[-2000:]}')

    def await_leader(self, limit=30.0):
        """Waits until all running nodes follow one leader and have applied the same; its id."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                views = [self.debug(node) for node in self.processes]
                leader = views[0]['leader']
                if leader in self.processes and len({(v['leader'], v['term'], v['applied'], v['commit']) for v in views}) == 1:
                    return leader
            except (OSError, http.client.HTTPException, ValueError):
                pass
            time.sleep(0.02)
        raise Failed('no leader that all follow\n' + '\n'.join(f'--- {n}\n{self.log(n)[-1000:]}' for n in self.processes))

    def segments(self, node):
        """Paths of its log, oldest first."""
        folder = f'{self.data(node)}/wal'
        return [f'{folder}/{name}' for name in sorted(os.listdir(folder)) if name.endswith('.wal')]
