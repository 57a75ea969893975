#!/usr/bin/env python3
"""raftd as its users meet it: damaged logs, options, a wiped disk, what it tells of itself.

usage: daemon_test.py RAFTD
"""
import json
import os
import re
import subprocess
import sys
import time
import unittest

import nodes

RAFTD = ''
QUICK = ('--election-timeout', '300ms', '--heartbeat', '30ms')
RECORD = re.compile(r'([0-9a-f]{8}) (?:crc [0-9a-f]{8} durable \d+\+[0-9a-f]{8} )?(.*)')


def dump(path):
    done = subprocess.run([RAFTD, 'dump', path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, [RECORD.fullmatch(line).groups() for line in done.stdout.splitlines()], done.stderr


def refused(*words):
    done = subprocess.run([RAFTD, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=20)
    return done.returncode, done.stderr


class Log(unittest.TestCase):
    """Of one node that has written twenty entries and was killed."""

    def setUp(self):
        self.node = nodes.Nodes(RAFTD, 1, QUICK)
        self.addCleanup(self.node.close)
        self.node.start_all()
        self.node.await_leader()
        for i in range(20):
            self.node.put(1, f'k{i % 3}', f'v{i}')
        self.node.kill(1)
        self.segment, = self.node.segments(1)

    def records(self):
        code, records, _ = dump(self.segment)
        self.assertEqual(code, 0)
        return records

    def overwrite(self, offset, data):
        with open(self.segment, 'r+b') as file:
            file.seek(offset)
            file.write(data)

    def flip(self, offset):
        with open(self.segment, 'rb') as file:
            file.seek(offset)
            byte, = file.read(1)
        self.overwrite(offset, bytes([byte ^ 1]))

    def offset_of(self, text):
        offset, = (at for at, record in self.records() if text in record)
        return int(offset, 16)

    def test_dump_prints_every_record(self):
        texts = [text for _, text in self.records()]
        self.assertRegex(texts[0], r'^segment 1 of cluster [0-9a-f]{16}, node 1: 67108864 bytes, from entry 1$')
        self.assertEqual(texts[1], 'entry 1/1 config: voters 1')
        self.assertEqual([t for t in texts if 'command' in t],
                         [f'entry {3 + i}/2 command: put "k{i % 3}" "v{i}" (asked of node 1)' for i in range(20)])
        # How far the commit index on disk trails depends on what was written together.
        self.assertTrue(any(re.fullmatch(r'hard state: term 2, vote 1, commit \d+, stay \d+', text) for text in texts), texts)
        self.assertRegex(texts[-1], r'^end of the log; \d+ bytes free$')

    def test_dump_of_a_damaged_log_marks_the_record_and_goes_on(self):
        offset = self.offset_of('"v9"')
        self.flip(offset + 60)
        code, records, _ = dump(self.segment)
        self.assertEqual(code, 1)
        errors = [(int(at, 16), text) for at, text in records if 'ERROR' in text]
        self.assertEqual([at for at, _ in errors], [offset])
        self.assertRegex(errors[0][1], r'^ERROR its checksum is wrong; crc [0-9a-f]{8} stored, [0-9a-f]{8} computed$')
        self.assertTrue(any('"v10"' in text for _, text in records))

    def test_dump_of_something_else_is_refused(self):
        code, _, error = dump(f'{self.node.data(1)}/lock')
        self.assertEqual(code, 3)
        self.assertIn('neither a log segment nor a snapshot', error)

    def test_a_flipped_byte_in_the_middle_is_refused_with_file_offset_crcs_and_remedy(self):
        offset = self.offset_of('"v9"')
        self.flip(offset + 60)
        self.node.start(1)
        self.assertEqual(self.node.exit_code(1), 3)
        said = self.node.log(1)
        self.assertIn(self.node.data(1), said)
        self.assertIn(os.path.basename(self.segment), said)
        self.assertIn(f'byte {offset}:', said)
        self.assertRegex(said, r'crc [0-9a-f]{8} stored, [0-9a-f]{8} computed')
        self.assertIn('remove this node from the cluster, delete its data directory and add it again', said)
        last = self.node.events(1)[-1]
        self.assertEqual(last['event'], 'refused')
        self.assertIn(f'byte {offset}:', last['text'])
        self.flip(offset + 60)
        self.node.start(1)
        self.node.await_leader()
        self.assertEqual(self.node.get(1, 'k1'), 'v19')

    def torn_tail_is_repaired(self, offset, torn):
        self.overwrite(offset, torn)
        self.node.start(1)
        self.node.await_leader()
        self.assertEqual(self.node.get(1, 'k1'), 'v19')
        self.assertRegex(self.node.log(1), rf'warning: torn tail repaired: {self.segment} from byte {offset} ')
        told = [event['text'] for event in self.node.events(1) if event['event'] == 'disk']
        self.assertEqual(len(told), 1)
        self.assertIn(f'from byte {offset}', told[0])
        with open(f'{self.segment}.torn-1', 'rb') as file:
            self.assertEqual(file.read(), torn)
        self.node.put(1, 'k1', 'after')
        self.node.kill(1)
        self.assertEqual(dump(self.segment)[0], 0)

    def test_garbage_behind_the_end_is_a_torn_tail(self):
        self.torn_tail_is_repaired(self.offset_of('end of the log'), b'\x01garbage' * 30)

    def test_a_record_cut_short_is_a_torn_tail(self):
        end = self.offset_of('end of the log')
        # A write of which only the first bytes came to be: a length, a type, and no more.
        self.torn_tail_is_repaired(end, b'\x40\x00\x00\x00\x02')

    def test_a_log_cut_short_after_it_was_synced_is_refused(self):
        os.truncate(self.segment, self.offset_of('"v9"') + 20)
        self.node.start(1)
        self.assertEqual(self.node.exit_code(1), 3)
        self.assertIn(os.path.basename(self.segment), self.node.log(1))

    def test_a_second_daemon_on_the_same_data_is_refused(self):
        self.node.start(1)
        self.node.await_leader()
        code, said = refused(*self.node.words(1)[1:])
        self.assertEqual(code, 3)
        self.assertIn('is used by another raftd', said)
        self.node.put(1, 'k', 'the first goes on')

    def test_a_directory_of_another_node_is_refused(self):
        self.node.add_ports(2)
        words = self.node.words(2, (1, 2))
        words[words.index('--data') + 1] = self.node.data(1)
        code, said = refused(*words[1:])
        self.assertEqual(code, 3)
        self.assertIn('node 1; this is cluster', said)


class Options(unittest.TestCase):
    def setUp(self):
        self.node = nodes.Nodes(RAFTD, 1)
        self.addCleanup(self.node.close)

    def test_nonsense_is_refused_with_64_and_says_why(self):
        base = self.node.words(1)[1:]
        for flags, why in ((('--election-timeout', '100ms', '--heartbeat', '100ms'), 'is not above --heartbeat'),
                           (('--election-timeout', '50ms'), 'is not above --heartbeat'),
                           (('--join',), 'names no other node'),
                           (('--reads', 'lease'), 'needs --max-clock-drift'),
                           (('--reads', 'dirty'), 'dirty'),
                           (('--fsync', 'perhaps'), 'perhaps'),
                           (('--election-timeout', 'soon'), '--election-timeout')):
            code, said = refused(*base, *flags)
            self.assertEqual(code, 64, flags)
            self.assertIn(why, said)
        self.assertEqual(refused('--id', '1')[0], 64)
        self.assertFalse(os.path.exists(self.node.data(1)))

    def test_an_election_timeout_below_five_heartbeats_is_warned_of_everywhere(self):
        self.node.flags = ['--election-timeout', '400ms', '--heartbeat', '100ms']
        self.node.start_all()
        self.node.await_leader()
        warning = 'below five heartbeats'
        self.assertIn(warning, self.node.log(1))
        self.assertTrue(any(e['event'] == 'warning' and warning in e['text'] for e in self.node.events(1)))
        status = json.loads(self.node.ask(1, '/v3/maintenance/status', {})[1])
        self.assertTrue(any(warning in error for error in status['errors']))

    def test_five_heartbeats_and_lease_reads_with_a_bound_are_fine(self):
        self.node.flags = ['--election-timeout', '500ms', '--reads', 'lease', '--max-clock-drift', '0.01']
        self.node.start_all()
        self.node.await_leader()
        self.node.put(1, 'k', 'v')
        self.assertEqual(self.node.get(1, 'k'), 'v')
        self.assertEqual(self.node.log(1), '')
        self.assertNotIn('errors', json.loads(self.node.ask(1, '/v3/maintenance/status', {})[1]))


class Cluster(unittest.TestCase):
    def setUp(self):
        self.cluster = nodes.Nodes(RAFTD, 3, (*QUICK, '--snapshot-entries', '20'))
        self.addCleanup(self.cluster.close)
        self.cluster.start_all()
        self.leader = self.cluster.await_leader()
        for i in range(60):
            self.cluster.put(1 + i % 3, f'k{i % 7}', f'v{i}')

    def change(self, verb, body):
        """At the leader, until it is done: a learner must catch up first."""
        deadline = time.monotonic() + 20
        while True:
            status, text = self.cluster.ask(self.leader, f'/v3/cluster/member/{verb}', body)
            if status == 200:
                return
            self.assertLess(time.monotonic(), deadline, f'{verb}: {status} {text}')
            time.sleep(0.05)

    def lose_the_disk(self, node, extra=()):
        """It starts again without it, as it was started before, and ends."""
        self.cluster.kill(node)
        subprocess.run(['rm', '-r', self.cluster.data(node)], check=True)
        self.cluster.start(node, extra=extra)
        self.assertEqual(self.cluster.exit_code(node), 3)
        said = self.cluster.log(node)
        self.assertIn('its disk was wiped', said)
        self.assertIn('remove the node from the cluster, start it with --join and add it again', said)
        self.cluster.processes.pop(node)
        subprocess.run(['rm', '-r', self.cluster.data(node)], check=True)

    def test_a_wiped_node_is_refused_and_joins_again_as_told(self):
        wiped = next(node for node in self.cluster.founders if node != self.leader)
        self.lose_the_disk(wiped)
        self.change('remove', {'ID': str(wiped)})
        self.cluster.start(wiped, extra=('--join',))
        peer, client = self.cluster.address(wiped).split('/')
        self.change('add', {'ID': str(wiped), 'peerURLs': [f'http://{peer}'], 'clientURLs': [f'http://{client}']})
        self.change('promote', {'ID': str(wiped)})
        self.cluster.await_leader()
        members = json.loads(self.cluster.ask(wiped, '/v3/cluster/member/list', {})[1])['members']
        self.assertEqual([(m['ID'], m.get('isLearner', False)) for m in members],
                         [(str(node), False) for node in self.cluster.founders])
        self.assertEqual(self.cluster.get(wiped, 'k3'), 'v59')
        # Its vote counts: with another node gone, the two go on.
        third = next(n for n in self.cluster.founders if n not in (wiped, self.leader))
        self.cluster.kill(third)
        self.cluster.put(self.leader, 'k', 'two of three')
        self.assertEqual(self.cluster.get(wiped, 'k'), 'two of three')
        # Without its disk it is as little a new member as a founder is, for all that it was started with --join.
        self.cluster.start(third)
        self.lose_the_disk(wiped, extra=('--join',))

    def test_a_damaged_snapshot_is_seen_by_dump_and_refused_at_start(self):
        node = next(n for n in self.cluster.founders if n != self.leader)
        self.cluster.kill(node)
        folder = f'{self.cluster.data(node)}/snap'
        path = f'{folder}/{max(name for name in os.listdir(folder) if name.endswith(".snap"))}'
        code, records, _ = dump(path)
        self.assertEqual(code, 0)
        self.assertRegex(records[0][1], r'^snapshot \d+/\d+ of cluster [0-9a-f]{16}: \d+ bytes, configuration of \d+ bytes$')
        with open(path, 'r+b') as file:
            file.seek(-20, os.SEEK_END)
            byte, = file.read(1)
            file.seek(-20, os.SEEK_END)
            file.write(bytes([byte ^ 1]))
        code, records, _ = dump(path)
        self.assertEqual(code, 1)
        self.assertTrue(any('ERROR' in text and 'computed' in text for _, text in records))
        self.cluster.start(node)
        self.assertEqual(self.cluster.exit_code(node), 3)
        self.assertIn(os.path.basename(path), self.cluster.log(node))

    def test_metrics_are_prometheus_text(self):
        self.cluster.get(self.leader, 'k1')
        status, text = self.cluster.ask(self.leader, '/metrics')
        self.assertEqual(status, 200)
        typed, values = {}, {}
        for line in text.splitlines():
            if line.startswith('#'):
                found = re.fullmatch(r'# (HELP|TYPE) ([a-z_]+) (.+)', line)
                self.assertIsNotNone(found, line)
                if found[1] == 'TYPE':
                    self.assertNotIn(found[2], typed)
                    self.assertIn(found[3], ('gauge', 'counter'))
                    typed[found[2]] = found[3]
                continue
            found = re.fullmatch(r'([a-z_]+)(\{[a-z]+="[^"]*"\})? (\S+)', line)
            self.assertIsNotNone(found, line)
            self.assertIn(found[1], typed)
            self.assertNotIn(found[1] + (found[2] or ''), values)
            values[found[1] + (found[2] or '')] = float(found[3])
        self.assertTrue(all(name.endswith('_total') == (kind == 'counter') for name, kind in typed.items()))
        self.assertEqual(values['raftd_is_leader'], 1)
        self.assertGreaterEqual(values['raftd_commit_index'], 60)
        self.assertGreaterEqual(values['raftd_applied_index'], 60)
        self.assertGreater(values['raftd_snapshot_index'], 0)
        self.assertGreater(values['raftd_disk_syncs_total'], 0)
        self.assertGreaterEqual(values['raftd_reads_total{mode="index"}'], 1)
        others = [node for node in self.cluster.founders if node != self.leader]
        self.assertTrue(all(f'raftd_window_bytes{{node="{node}"}}' in values for node in others))

    def test_debug_shows_the_same_state_on_all_nodes(self):
        self.cluster.await_leader()
        shown = {node: self.cluster.debug(node) for node in self.cluster.founders}
        self.assertEqual({s['state_hash'] for s in shown.values()}, {shown[1]['state_hash']})
        self.assertEqual({node: s['role'] for node, s in shown.items()},
                         {node: 'leader' if node == self.leader else 'follower' for node in self.cluster.founders})
        self.assertEqual({f['id'] for f in shown[self.leader]['followers']}, set(self.cluster.founders) - {self.leader})
        self.assertEqual(shown[1]['config'], 'voters 1 2 3')

    def test_events_are_json_lines_with_node_term_and_both_times(self):
        kinds = set()
        for node in self.cluster.founders:
            before = 0
            for event in self.cluster.events(node):
                self.assertEqual(set(event), {'wall', 'mono', 'node', 'term', 'event', 'text'})
                self.assertEqual(event['node'], node)
                self.assertGreaterEqual(event['mono'], before)
                self.assertGreater(event['wall'], 10 ** 18)
                before = event['mono']
                kinds.add(event['event'])
        self.assertLessEqual({'start', 'role', 'config', 'snapshot'}, kinds)


if __name__ == '__main__':
    RAFTD = os.path.abspath(sys.argv.pop(1))
    unittest.main()
