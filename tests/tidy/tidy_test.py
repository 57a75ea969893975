#!/usr/bin/env python3
"""tidy.py finds what it is there to find: each rule is broken once in a scratch tree, and a clean tree has no findings."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TIDY = pathlib.Path(__file__).with_name('tidy.py')
CLEAN = {
    'history/base/faultline/base.hpp': '// Prose.\n#pragma once\n#include <string>\n',
    'history/faultline/history.hpp': '// Prose.\n#pragma once\n#include <faultline/base.hpp>\n',
    'checker/faultline/checker.hpp': '// Prose.\n#pragma once\n#include <faultline/history.hpp>\n',
    'checker/private.hpp': '// Prose.\n#pragma once\n',
    'workloads/faultline/world.hpp': '// Prose.\n#pragma once\n#include <faultline/checker.hpp>\n',
    'adapters/raft/core/core.cpp': '#include <faultline/base.hpp>\n',
    'adapters/cli/main.cpp': '#include <faultline/checker.hpp>\n#include <thread>\n',
}


def findings(extra):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in {**CLEAN, **extra}.items():
            file = pathlib.Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        done = subprocess.run([sys.executable, TIDY, folder], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


class Tidy(unittest.TestCase):
    def expect(self, path, text, words):
        code, out = findings({path: text})
        self.assertEqual(code, 1, out)
        self.assertIn(words, out)
        self.assertIn(path, out)

    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(findings({})[0], 0)

    def test_an_arrow_that_points_upwards_is_found(self):
        self.expect('history/x.cpp', '#include <faultline/checker.hpp>\n', 'history may not include checker')

    def test_an_arrow_between_rooms_without_one_is_found(self):
        self.expect('adapters/raft/core/x.cpp', '#include <faultline/history.hpp>\n', 'may not include history')

    def test_a_private_header_of_another_room_is_found(self):
        self.expect('history/x.cpp', '#include "checker/private.hpp"\n', 'history may not include checker')

    def test_a_library_in_a_public_header_is_found(self):
        self.expect('checker/faultline/x.hpp', '// Prose.\n#pragma once\n#include <fmt/format.h>\n', 'only the standard library')

    def test_a_clock_in_a_pure_room_is_found(self):
        self.expect('checker/x.cpp', 'auto t = std::chrono::steady_clock::now();\n', 'reads a clock')

    def test_a_thread_in_a_pure_room_is_found(self):
        self.expect('workloads/x.cpp', '#include <thread>\n', 'uses threads')

    def test_a_socket_in_a_pure_room_is_found(self):
        self.expect('reports/x.cpp', '#include <boost/asio/ip/tcp.hpp>\n', 'opens sockets')

    def test_randomness_of_its_own_is_found(self):
        self.expect('nemesis/x.cpp', 'std::random_device d;\n', 'draws randomness')

    def test_a_standard_distribution_is_found(self):
        self.expect('nemesis/x.cpp', 'std::uniform_int_distribution<int> d;\n', 'differs between standard libraries')

    def test_iterating_an_unordered_container_is_found(self):
        self.expect('checker/x.cpp', 'std::unordered_map<int, int> table;\nvoid f() { for (auto& [k, v] : table) {} }\n',
                    'iterates the unordered container table')

    def test_a_word_in_a_comment_or_a_string_is_no_finding(self):
        code, out = findings({'checker/x.cpp': '// no std::thread here\nauto s = "system_clock";\n'})
        self.assertEqual(code, 0, out)

    def test_a_header_without_prose_is_found(self):
        self.expect('checker/x.hpp', '#pragma once\n', 'opens with prose')

    def test_a_file_that_is_too_long_is_found(self):
        self.expect('checker/x.cpp', 'int x;\n' * 701, 'divide it')


if __name__ == '__main__':
    unittest.main()
