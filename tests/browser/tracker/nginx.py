"""nginx in front of a site, on a port of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.browser.engines.engine import wait_until
from tests.support import need

CONFIGURATION = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{site_port}; }}
        {location}
    }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, port: int, site_port: int, location: str) -> Iterator[str]:
    """Run nginx with one more `location`; give the address of the site behind it."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    need(program, "nginx", "apt-get install nginx-light")
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, port=port, site_port=site_port, location=location)
    )
    server = subprocess.Popen(
        [str(program), "-c", str(configuration), "-p", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: answers(address)), (folder / "error.log").read_text()
        yield address
    finally:
        server.terminate()
        server.wait()


def answers(address: str) -> bool:
    with contextlib.suppress(urllib.error.URLError, ConnectionError):
        urllib.request.urlopen(address, timeout=5).close()
        return True
    return False
