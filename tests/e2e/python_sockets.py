#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs a share of CPython's own tests of sockets, and prints the outcome of each, a line a test:
python_sockets.py SHARE SHARES."""

import sys
import unittest

from test import test_socket

# What listens to a hypervisor waits for ever where none answers.
LEFT_OUT = ("ThreadedVSOCKSocketStreamTest",)


class Outcomes(unittest.TestResult):
    """Says of each test how it ended; why one failed goes to stderr."""

    def say(self, test, outcome):
        print(test.id().removeprefix("test.test_socket."), outcome, flush=True)

    def why(self, test, err):
        print(test.id(), self._exc_info_to_string(err, test), file=sys.stderr)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.say(test, "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say(test, "failed")
        self.why(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.say(test, "error")
        self.why(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.say(test, "failed")
            self.why(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say(test, "skipped: " + reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.say(test, "failed as expected")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.say(test, "ok, against expectation")


def tests_of(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from tests_of(each)
        elif type(each).__name__ not in LEFT_OUT:
            yield each


def main():
    share, shares = map(int, sys.argv[1:])
    tests = list(tests_of(unittest.defaultTestLoader.loadTestsFromModule(test_socket)))
    unittest.TestSuite(tests[share::shares]).run(Outcomes())


if __name__ == "__main__":
    main()
