#!/usr/bin/env python3
"""The runner finds what it is there to find: the comparison, the normalisation, the allowed differences, the script reader."""
import pathlib
import tempfile
import unittest

import normalise
import run
import script

HERE = pathlib.Path(__file__).parent


class OneCluster:
    @staticmethod
    def peer_url(name):
        return f'http://peer-{name}'

    @staticmethod
    def client_url(name):
        return f'http://client-{name}'


def names():
    roles = {'n1': 'follower1', 'n2': 'leader', 'n3': 'follower2'}
    return normalise.Names(OneCluster(), roles, {'n1': '11', 'n2': '22', 'n3': '33'}, 5, '2')


def parsed(text):
    with tempfile.NamedTemporaryFile('w', suffix='.txt', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        result = script.parse(file.name)
    result.name = 'kv'
    return result


SCRIPT = '# Prose.\n\n# Why.\n== one\nleader POST /a {}\n> more\n< 200 application/json\n< {"a":"1"}\nw is silent\n< silence\n'


class Normalised(unittest.TestCase):
    def line(self, text):
        return normalise.body_line(text, names())

    def test_members_revisions_and_terms_become_what_they_stand_for(self):
        self.assertEqual(self.line('{"header":{"cluster_id":"9","member_id":"22","revision":"7","raft_term":"2"}}'),
                         '{"header":{"cluster_id":"C","member_id":"leader","revision":"r+2","raft_term":"T"}}')
        self.assertEqual(self.line('{"mod_revision":"3","raft_term":"4"}'), '{"mod_revision":"r-2","raft_term":"T+2"}')

    def test_a_field_that_is_absent_stays_absent(self):
        self.assertEqual(self.line('{"header":{"member_id":"11"}}'), '{"header":{"member_id":"follower1"}}')

    def test_server_picked_ids_are_numbered_by_first_appearance_and_small_ones_kept(self):
        self.assertEqual(self.line('{"leases":[{"ID":"7000000000000000001"},{"ID":"777"},{"ID":"7000000000000000002"}]}'),
                         '{"leases":[{"ID":"777"},{"ID":"id1"},{"ID":"id2"}]}')

    def test_a_lock_key_of_a_server_picked_lease_names_it(self):
        self.assertEqual(self.line('{"key":"YW5vLzQ4MDVhMWZjNWIzMTQ5MWM="}'), '{"key":"ano/id1"}')
        self.assertEqual(self.line('{"key":"bXlsb2NrLzMwOQ=="}'), '{"key":"bXlsb2NrLzMwOQ=="}')

    def test_only_a_ttl_that_runs_down_is_hidden(self):
        self.assertEqual(self.line('{"TTL":"59","grantedTTL":"60"}'), '{"TTL":"left","grantedTTL":"60"}')
        self.assertEqual(self.line('{"TTL":"10","grantedTTL":"60"}'), '{"TTL":"10","grantedTTL":"60"}')
        self.assertEqual(self.line('{"TTL":"-1"}'), '{"TTL":"-1"}')

    def test_a_long_wait_is_part_of_the_reply(self):
        self.assertEqual(normalise.head_line(503, 'application/json', 7.3), '503 application/json after 7 s')
        self.assertEqual(normalise.head_line(503, 'application/json', 0.2), '503 application/json')
        self.assertEqual(normalise.head_line(503, 'application/json', 10.0), '503 application/json after 10.0 s')


class Compared(unittest.TestCase):
    def differ(self, golden, other):
        return run.compare(parsed(golden), parsed(other), 'x')

    def test_equal_scripts_have_no_difference_whatever_the_order_of_fields(self):
        self.assertEqual(self.differ(SCRIPT, SCRIPT), [])
        self.assertTrue(normalise.equal(['{"a":1,"b":2}'], ['{"b":2,"a":1}']))

    def test_status_type_body_and_silence_are_compared(self):
        for before, after in (('200', '201'), ('/json', '/text'), ('"1"', '1'), ('< silence', '< {"a":1}'), ('{"a":"1"}', '{}')):
            self.assertEqual(len(self.differ(SCRIPT, SCRIPT.replace(before, after, 1))), 1, after)

    def test_a_line_too_few_is_a_difference(self):
        self.assertFalse(normalise.equal(['200', '{}'], ['200']))

    def test_an_allowed_difference_is_wanted_and_a_useless_one_reported(self):
        for reply, left in (('{"a":"2"}', set()), ('{"a":"1"}', {('kv', 'one', 'leader POST /a {}')})):
            allowed = parsed(f'# Prose.\n\n# Why.\n== kv/one\nleader POST /a {{}}\n< 200 application/json\n< {reply}\n')
            unused = {('kv', 'one', 'leader POST /a {}')}
            wanted = run.allow(parsed(SCRIPT), {('kv', 'one'): allowed.cases[0]}, unused)
            self.assertEqual(unused, left)
            self.assertEqual(wanted.cases[0].steps[0].reply[1], reply)


class Scripts(unittest.TestCase):
    def test_printing_is_the_inverse_of_parsing(self):
        for path in HERE.glob('scripts/*.txt'):
            self.assertEqual(script.print_script(script.parse(path)), path.read_text(encoding='utf-8'), path)

    def test_there_are_enough_of_them(self):
        self.assertGreaterEqual(sum(script.requests_in(script.parse(p)) for p in HERE.glob('scripts/*.txt')), 60)

    def test_each_allowed_difference_names_a_step_that_exists_and_answers_otherwise(self):
        scripts = {p.stem: script.parse(p) for p in HERE.glob('scripts/*.txt')}
        for (name, title), case in run.read_differences(HERE / 'differences.txt').items():
            unused = {(name, title, step.text) for step in case.steps}
            run.allow(scripts[name], {(name, title): case}, unused)
            self.assertEqual(unused, set())

    def test_two_cases_of_one_title_are_refused(self):
        with self.assertRaises(script.Malformed):
            parsed('# P.\n\n== a\nsettle\n\n== a\nsettle\n')


if __name__ == '__main__':
    unittest.main()
