"""What the runner must refuse: patches that do not fit exactly, and bugs that do not count as found."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import campaign  # noqa: E402
from building import Tree, recipe_of  # noqa: E402
from patches import PatchError, apply, read_mutant  # noqa: E402

SOURCE = "int a() { return 1; }\nint b() { return 2; }\nint c() { return 3; }\n"
HEADER = """Mutant: M99 test     Raft: section 0
Breaks: b
Detectors: I:SMS D H   Real: y   Preset: kill   Budget: 7 seeds
Options: nodes=5 reads=lease

"""
DIFF = """--- a/x.cpp
+++ b/x.cpp
@@ -1,3 +1,3 @@
 int a() { return 1; }
-int b() { return 2; }
+int b() { return 0; }
 int c() { return 3; }
"""


class RunnerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "x.cpp").write_text(SOURCE)

    def mutant(self, text=HEADER + DIFF, name="M99-test"):
        file = self.root / f"{name}.patch"
        file.write_text(text)
        return read_mutant(file)

    def test_applies_and_reads_the_header(self):
        mutant = self.mutant()
        self.assertEqual(apply(mutant, self.root), {"x.cpp": SOURCE.replace("return 2", "return 0")})
        self.assertEqual((mutant.id, mutant.preset, mutant.budget), ("M99", "kill", 7))
        self.assertEqual(campaign.options_of(mutant.options), {"nodes": 5, "reads": "lease"})

    def test_applies_where_the_lines_moved_but_not_where_context_changed(self):
        mutant = self.mutant()
        (self.root / "x.cpp").write_text("// A new first line.\n" + SOURCE)
        self.assertIn("return 0", apply(mutant, self.root)["x.cpp"])
        (self.root / "x.cpp").write_text(SOURCE.replace("return 3", "return 4"))
        with self.assertRaisesRegex(PatchError, "is not there any more"):
            apply(mutant, self.root)

    def test_a_batch_needs_what_its_sources_include(self):
        (self.root / "b").mkdir()
        (self.root / "x.hpp").write_text("")
        (self.root / "x.cpp").write_text('#include "x.hpp"\n')
        (self.root / "b" / "unity_0_cxx.cxx").write_text(f'#include "{self.root}/x.cpp"\n')
        self.assertEqual(Tree(self.root, []).needs("b/unity_0_cxx.cxx"), ["b/unity_0_cxx.cxx", "x.cpp", "x.hpp"])

    def test_refuses_a_place_that_is_not_the_only_one(self):
        mutant = self.mutant()
        (self.root / "x.cpp").write_text(SOURCE + SOURCE)
        with self.assertRaisesRegex(PatchError, "is there 2 times"):
            apply(mutant, self.root)

    def test_refuses_a_file_that_is_gone(self):
        mutant = self.mutant()
        (self.root / "x.cpp").unlink()
        with self.assertRaisesRegex(PatchError, "there is no x.cpp"):
            apply(mutant, self.root)

    def test_refuses_headers_and_hunks_that_lie(self):
        with self.assertRaisesRegex(PatchError, "names M99-test"):
            self.mutant(name="M98-test")
        with self.assertRaisesRegex(PatchError, "ends early"):
            self.mutant(HEADER + DIFF.replace("-1,3 +1,3", "-1,4 +1,4"))
        with self.assertRaisesRegex(PatchError, "no header line"):
            self.mutant(HEADER.replace("Detectors", "Found by") + DIFF)

    def test_refuses_more_than_twenty_changed_lines(self):
        long = "".join(f"+int v{i}();\n" for i in range(21))
        with self.assertRaisesRegex(PatchError, "changes 21 lines"):
            self.mutant(HEADER + f"--- a/x.cpp\n+++ b/x.cpp\n@@ -1,1 +1,22 @@\n int a() {{ return 1; }}\n{long}")

    def test_only_declared_detectors_kill(self):
        mutant = self.mutant()
        self.assertEqual(mutant.kills(["I:SMS", "I:LC", "L"]), ["I:SMS"])
        self.assertEqual(mutant.kills(["I:D", "H:stale-read"]), ["I:D", "H:stale-read"])
        self.assertEqual(mutant.kills(["L", "I:ES"]), [])

    def test_a_failed_assertion_counts_only_if_it_states_an_invariant(self):
        stated = campaign.crash(7, "log.cpp:90: assertion failed: from > commit_ at seed 7 step 12\n", -6)
        self.assertEqual((stated.detectors, stated.crash), (["I:SMS"], ""))
        other = campaign.crash(7, "log.cpp:90: assertion failed: entry.index == last() + 1 at seed 7 step 12\n", -6)
        self.assertEqual(other.detectors, [])
        self.assertIn("assertion failed", other.crash)
        self.assertIn("status -11", campaign.crash(7, "", -11).crash)

    def test_an_object_is_known_by_all_that_it_includes(self):
        folder = self.root / "history"
        folder.mkdir()
        (folder / "a.cpp").write_text('#include "b.hpp"\n')
        (folder / "b.hpp").write_text('#include <faultline/c.hpp>\n')
        (folder / "faultline").mkdir()
        (folder / "faultline/c.hpp").write_text("struct C {};\n")
        clean = Tree(self.root, ["history"])
        self.assertEqual(clean.needs("history/a.cpp"), ["history/a.cpp", "history/b.hpp", "history/faultline/c.hpp"])
        changed = Tree(self.root, ["history"], {"history/faultline/c.hpp": "struct C { int x; };\n"})
        self.assertNotEqual(clean.digest("history/a.cpp"), changed.digest("history/a.cpp"))

    def test_a_recipe_is_what_ninja_would_do(self):
        recipe = recipe_of("ccache c++ -I/src/core -O2 -MD -MT a.o -MF a.o.d -o a.o -c /src/core/a.cpp\n"
                           ": && c++ -O2 main.o -o bin/drive core.a && :\n", Path("/src"))
        self.assertEqual(recipe.sources, {"core/a.cpp": ["ccache", "c++", "-I/src/core", "-O2"]})
        self.assertEqual((recipe.link, recipe.output), (["c++", "-O2", "main.o", "-o", "bin/drive", "core.a"], "bin/drive"))


if __name__ == "__main__":
    unittest.main()
