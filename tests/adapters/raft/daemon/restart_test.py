#!/usr/bin/env python3
"""No acknowledged write is lost by kill -9 at random moments under load, and no start is refused.

usage: restart_test.py RAFTD [--restarts N] [--seed S]

Writers put values, each one once, through all nodes of a cluster of three, while nodes are killed, sometimes all of them, and started
again at once or while they still recover. In the end the history of the store, read as a watch from its beginning, is held against
what was acknowledged: every such value stands there at the very revision its writer was told, no value stands there twice or that
nobody wrote, and the nodes' states are equal.
"""
import argparse
import base64
import http.client
import json
import random
import sys
import threading
import time

import nodes

FLAGS = ('--election-timeout', '500ms', '--heartbeat', '50ms', '--snapshot-entries', '300')
WRITERS = 6
KEYS = 4


class Writer(threading.Thread):
    """Puts `<its number>:<n>` for n = 1, 2, … at random keys, over the node it is at until that fails."""

    def __init__(self, cluster, number, rng, stop):
        super().__init__(daemon=True)
        self.cluster, self.number, self.rng, self.stop = cluster, number, rng, stop
        self.tried = 0
        self.acknowledged = {}  # value -> (key, revision)
        self.failure = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.sit_at(self.rng.choice(self.cluster.founders))
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def sit_at(self, node):
        client = self.cluster.client(node, limit=2.0)
        try:
            for _ in range(self.rng.randrange(1, 200)):
                if self.stop.is_set() or not self.put(client):
                    return
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
        finally:
            client.close()

    def put(self, client):
        self.tried += 1
        value = f'{self.number}:{self.tried}'
        key = f'k{self.rng.randrange(KEYS)}'
        status, text = client.ask('/v3/kv/put', {'key': nodes.text64(key), 'value': nodes.text64(value)})
        if status != 200:
            return False
        self.acknowledged[value] = (key, int(json.loads(text)['header']['revision']))
        return True


def history(cluster, node):
    """value -> (key, revision), of everything that was ever written."""
    revision = json.loads(cluster.ask(node, '/v3/kv/range', {'key': nodes.text64('k')})[1])['header']['revision']
    connection = http.client.HTTPConnection(cluster.host, cluster.ports[node][1], timeout=30)
    request = {'create_request': {'key': nodes.text64('k'), 'range_end': nodes.text64('l'), 'start_revision': '1'}}
    connection.request('POST', '/v3/watch', json.dumps(request))
    reply = connection.getresponse()
    found, last = {}, 1
    while last < int(revision):
        message = json.loads(reply.readline())['result']
        if message.get('canceled'):
            raise nodes.Failed(f'the watch was refused: {message}')
        for event in message.get('events', ()):
            kv = event['kv']
            value, last = base64.b64decode(kv['value']).decode(), int(kv['mod_revision'])
            if value in found:
                raise nodes.Failed(f'{value} was written twice, at revisions {found[value][1]} and {last}')
            found[value] = (base64.b64decode(kv['key']).decode(), last)
    connection.close()
    return found


def disturb(cluster, rng, restarts):
    """Kills and starts until so many starts have been made."""
    made = 0
    while made < restarts:
        time.sleep(rng.uniform(0.05, 0.9))
        cluster.check_alive()
        victims = list(cluster.founders) if rng.random() < 0.15 else [rng.choice(cluster.founders)]
        cluster.kill(*victims)
        time.sleep(rng.choice((0, 0, rng.uniform(0, 0.8))))
        for node in victims:
            cluster.start(node)
        made += len(victims)


def run(raftd, restarts, seed):
    rng = random.Random(seed)
    with nodes.Nodes(raftd, flags=FLAGS) as cluster:
        cluster.start_all()
        cluster.await_leader()
        stop = threading.Event()
        writers = [Writer(cluster, n, random.Random(rng.random()), stop) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            disturb(cluster, rng, restarts)
            time.sleep(0.5)
        finally:
            stop.set()
        for writer in writers:
            writer.join()
            if writer.failure:
                raise writer.failure
        leader = cluster.await_leader()
        kept = history(cluster, leader)
        acknowledged = {value: where for writer in writers for value, where in writer.acknowledged.items()}
        lost = [(value, where, kept.get(value)) for value, where in acknowledged.items() if kept.get(value) != where]
        invented = [value for value in kept
                    if int(value.split(':')[1]) > writers[int(value.split(':')[0])].tried]
        cluster.await_leader()
        states = {cluster.debug(node)['state_hash'] for node in cluster.founders}
        tried = sum(writer.tried for writer in writers)
        print(f'seed {seed}: {restarts} restarts, {tried} writes tried, {len(acknowledged)} acknowledged, {len(kept)} kept')
        for value, where, there in lost[:20]:
            print(f'lost: {value} was acknowledged at {where}; the store has {there}')
        if invented:
            print(f'nobody wrote {invented[:20]}')
        if len(states) != 1:
            print(f'the states differ: {states}')
        if len(acknowledged) < restarts:
            print('hardly any write went through: the run says nothing')
        return not lost and not invented and len(states) == 1 and len(acknowledged) >= restarts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('raftd')
    parser.add_argument('--restarts', type=int, default=15)
    parser.add_argument('--seed', type=int, default=random.SystemRandom().randrange(10 ** 6))
    arguments = parser.parse_args()
    try:
        return 0 if run(arguments.raftd, arguments.restarts, arguments.seed) else 1
    except nodes.Failed as error:
        print(f'seed {arguments.seed}: {error}')
        return 1


if __name__ == '__main__':
    sys.exit(main())
