"""Starts the program as a fork of a process that has loaded its modules, which takes most of the time of a short run.

Such a program is a process like any other: its streams, folder, environment, signals and exit code are its own. What
happens before it runs is for the tests of the launcher and of the hosts, which start it as CI systems do. Linux only.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
STREAMS = 3
LENGTH = 8  # bytes of a message's length
PR_SET_CHILD_SUBREAPER = 36
NOT_LOADED = ("plugin.__main__", "plugin.demo", "plugin.sandbox")  # of which no delivery needs anything
_starting = threading.Lock()


class Forked(subprocess.Popen[str]):
    """A program that was forked; from then on a Popen as any other."""

    def _execute_child(self, args: Sequence[str], *others: Any) -> None:
        folder, environment = others[4], others[5]
        handles = others[9:15]
        arguments = list(args[args.index("-u") + 1 :])  # without the interpreter and its options
        request = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        self.pid = _parent().fork(request, (handles[0], handles[3], handles[5]))
        self._child_created = True
        self._close_pipe_fds(*handles)  # type: ignore[attr-defined] # as Popen's own does


def _parent() -> _Parent:
    with _starting:
        return _only_parent()


@cache
def _only_parent() -> _Parent:
    return _Parent()


class _Parent:
    """The process that has loaded the modules, seen from the tests."""

    def __init__(self) -> None:
        self._connection, its = socket.socketpair()
        self._lock = threading.Lock()
        with its:
            command = [sys.executable, "-I", "-X", "utf8", "-u", __file__, str(its.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL, env={})
        atexit.register(self._end)

    def _end(self) -> None:
        self._connection.close()
        self._process.wait()

    def fork(self, request: Mapping[str, Any], streams: Sequence[int]) -> int:
        """Start a program, our own child; return its pid."""
        data = json.dumps(request).encode()
        with self._lock:
            _adopt(True)
            try:
                socket.send_fds(self._connection, [len(data).to_bytes(LENGTH, "big")], streams)
                self._connection.sendall(data)
                return int.from_bytes(_exactly(self._connection, LENGTH), "big")
            finally:
                _adopt(False)


def _adopt(is_on: bool) -> None:
    """Become the parent of our descendants whose own parents end."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(is_on), 0, 0, 0)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        block = connection.recv(count - len(data))
        assert block, "the other side has ended"
        data += block
    return data


def _serve(connection: socket.socket) -> None:
    """Load the program's modules; fork a program for each request, until the tests have ended."""
    ends = signal.SIG_DFL if signal.getsignal(signal.SIGINT) is signal.default_int_handler else signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.insert(0, str(ROOT))
    for found in pkgutil.walk_packages([str(ROOT / "plugin")], "plugin."):
        if not found.name.startswith(NOT_LOADED):
            import_module(found.name)
    import jsonschema  # noqa: F401 - for what rejects inputs
    import requests  # noqa: F401 - for all others

    gc.freeze()
    while True:
        head, handles, _, _ = socket.recv_fds(connection, LENGTH, STREAMS)
        if not head:
            return
        request = json.loads(_exactly(connection, int.from_bytes(head, "big")))
        read, write = os.pipe()
        between = os.fork()
        if not between:  # it ends at once, so that its child becomes the tests' own
            child = os.fork()
            if not child:
                connection.detach()
                signal.signal(signal.SIGINT, ends)
                _become(request, handles)
            os.write(write, child.to_bytes(LENGTH, "big"))
            os._exit(0)
        os.waitpid(between, 0)
        connection.sendall(os.read(read, LENGTH))
        for handle in (read, write, *handles):
            os.close(handle)


def _become(request: Mapping[str, Any], handles: Sequence[int]) -> NoReturn:
    """Be the program that was requested, as `python -I -X utf8 -u` would run it."""
    try:
        for number, handle in enumerate(handles):
            os.dup2(handle, number)
        os.closerange(STREAMS, os.sysconf("SC_OPEN_MAX"))
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        sys.argv = request["arguments"]
        errors = "surrogateescape"
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)), "utf-8", errors)
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w"), "utf-8", errors, write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w"), "utf-8", "backslashreplace", write_through=True)
        from plugin.__main__ import entry

        entry()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
