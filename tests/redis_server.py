"""A real Redis on loopback, to be stopped, frozen and filled at will."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support import free_port, need

if TYPE_CHECKING:
    import redis

START_SECONDS = 60


class RedisServer:
    """A server on a port that it keeps across restarts; it stores nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        need(importlib.util.find_spec("redis"), "redis", "pip install -e '.[test]'")
        need(shutil.which("redis-server"), "Redis", "apt-get install redis-server")
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Return when it answers."""
        import redis

        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self._port), "--save", ""]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.02)
        raise TimeoutError("Redis does not answer")

    def client(self) -> redis.Redis:
        import redis

        return redis.Redis.from_url(self.url)

    def freeze(self) -> None:
        """Let it hang: it takes connections and never answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait(START_SECONDS)
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
