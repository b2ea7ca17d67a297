"""A console that runs on a ledger of its own, for `console.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.waiting import until

BIN = Path(sys.executable).parent
PASSWORD = "a password for a benchmark"


@dataclass
class Served:
    """A console that runs, and a login to it."""

    url: str
    process: subprocess.Popen[bytes]
    cookie: str = ""

    def get(self, path: str) -> tuple[float, int]:
        """Return seconds and bytes of a page."""
        request = urllib.request.Request(self.url + path, headers={"Cookie": self.cookie})
        began_s = time.perf_counter()
        with urllib.request.urlopen(request, timeout=30) as answer:
            size = len(answer.read())
        return time.perf_counter() - began_s, size

    def log_in(self) -> None:
        """Get a cookie."""

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        form = urllib.parse.urlencode({"name": "axiom", "password": PASSWORD}).encode()
        try:
            urllib.request.build_opener(Stay).open(f"{self.url}/login", form, timeout=10)
        except urllib.error.HTTPError as answer:
            if answer.code != 303:
                raise
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def pss_mb(self) -> float:
        """Its memory; pages that processes share count once."""
        import psutil

        return float(psutil.Process(self.process.pid).memory_full_info().pss / 2**20)


@contextmanager
def console(data_dir: Path) -> Iterator[Served]:
    from axiom.embedded.servers import free_port

    port, ready = free_port(), data_dir / "console.ready"
    env = os.environ | {
        "AXIOM_DATA_DIR": str(data_dir), "AXIOM_CONSOLE_PORT": str(port),
        "AXIOM_CONSOLE_PASSWORD": PASSWORD, "AXIOM_READY_FILE": str(ready),
        "AXIOM_LOG_LEVEL": "WARNING",
    }  # fmt: skip
    ready.unlink(missing_ok=True)
    with (data_dir / "console.log").open("wb") as log:
        process = subprocess.Popen([str(BIN / "axiom"), "console"], env=env, stdout=log, stderr=log)
    try:
        until(lambda: ready.exists() or process.poll() is not None, "the console")
        served = Served(f"http://127.0.0.1:{port}", process)
        served.log_in()
        yield served
    finally:
        process.terminate()
        process.wait(20)
