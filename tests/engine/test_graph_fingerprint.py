"""The hash that machine code is kept under."""

import subprocess
import sys

from pkpd.engine.graph.fingerprint import fingerprint
from pkpd.engine.graph.nodes import symbol

CODE = """
from pkpd.engine.graph.fingerprint import fingerprint
from pkpd.engine.graph.nodes import symbol
x, k = symbol("x", "state"), symbol("k", "theta")
print(fingerprint([x * k + 1.5, k]))
"""


def test_the_same_in_every_process():
    x, k = symbol("x", "state"), symbol("k", "theta")
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == fingerprint([x * k + 1.5, k])


def test_every_change_shows():
    x, k, e = symbol("x", "state"), symbol("k", "theta"), symbol("k", "eta")
    several = [[x * k, k], [k, x * k], [k * x, k], [x * e, e], [x * k + 1.5, k], [x * k + 1.25, k], [x * k], [x / k, k]]
    assert len({fingerprint(roots) for roots in several}) == len(several)
