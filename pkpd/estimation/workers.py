"""One function done many times, in processes of their own: what Python itself computes runs one thread at a time."""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from pkpd.errors import PkpdError
from pkpd.estimation.checkpoint import json_text
from pkpd.transport import packed

__all__ = ["Workers", "serve"]

Record = dict[str, Any]
_LENGTH = struct.Struct("<Q")


class Workers:
    """Processes that compute a function of a number; without any, this process does.

    Use it as a context: processes end with it. It may be called from several threads at once.

    Parameters
    ----------
    work : callable
        From a number to a record that JSON can hold. It travels with all that it uses.
    processes : int
        With 1 the function is called here.
    """

    def __init__(self, work: Callable[[int], Record], processes: int) -> None:
        self.work, self.processes = work, processes
        self._begun: list[subprocess.Popen[bytes]] = []
        self._free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()

    def __enter__(self) -> Workers:
        if self.processes > 1:
            code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
            payload = packed(self.work)
            for _ in range(self.processes):
                pipe = subprocess.PIPE
                process = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe)
                self._begun.append(process)
                _send(process, _LENGTH.pack(len(payload)) + payload)
                self._free.put(process)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._begun:
            process.kill()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            process.wait()

    def __call__(self, number: int) -> Record:
        """Return the record of a number.

        Raises
        ------
        PkpdError
            If the function does.
        RuntimeError
            If a process ended before its work, as one that was killed.
        """
        if not self._begun:
            return self.work(number)
        process = self._free.get()
        _send(process, f"{number}\n".encode())
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process that computed number {number} ended with status {process.wait()}")
        self._free.put(process)
        record = json.loads(line)
        if "fault" in record:
            raise PkpdError(record["fault"])
        return record


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def serve() -> None:
    """Compute what is asked for on standard input, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked ends this one
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed is no answer
    asked = sys.stdin.buffer
    (length,) = _LENGTH.unpack(asked.read(_LENGTH.size))
    work = pickle.loads(asked.read(length))
    for line in asked:
        try:
            record = work(int(line))
        except PkpdError as error:
            record = {"fault": str(error)}
        answers.write(json_text(record).encode() + b"\n")
        answers.flush()
