"""One line per check, and an exit code that counts them.

`ok: …` and `FAILED: …` are what `.ci/run` counts; everything else on stdout is commentary.
"""

import sys
import time


class Report:
    """The checks of one script."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.began = time.monotonic()

    def check(self, name, problems):
        """One check: it holds if `problems` (a list of texts, or one) is empty."""
        problems = [problems] if isinstance(problems, str) and problems else list(problems)
        if not problems:
            self.passed += 1
            print(f"ok: {name}", flush=True)
            return True
        self.failed += 1
        shown = "; ".join(problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        print(f"FAILED: {name}: {shown}{more}", flush=True)
        return False

    def equal(self, name, found, expected):
        """A check that two values are equal."""
        return self.check(name, [] if found == expected else [f"{found!r} instead of {expected!r}"])

    def end(self):
        """Prints what it took, and exits: 0 if there were checks and all held."""
        took = time.monotonic() - self.began
        print(f"{self.passed} passed, {self.failed} failed, {took:.1f} s", flush=True)
        sys.exit(0 if self.passed and not self.failed else 1)
