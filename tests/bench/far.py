# SPDX-License-Identifier: BSD-2-Clause
"""The other end of make bench's link, a network namespace, and what serves there.

A script that imports this is called with BUILD, WORK and that namespace.
"""

import os
import socket
import subprocess
import sys
import time

from slices import WORK

FAR = sys.argv[3]
FAR_ADDR = "2001:db8:2::2"


def start_far(args, env):
    preload = [f"{name}={env[name]}" for name in ("LD_PRELOAD", "PDMV2_AGENT")] if env else []
    return subprocess.Popen(["ip", "netns", "exec", FAR, "env", *preload, *args])


def wait_for_far(port):
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((FAR_ADDR, port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: nobody listens on port {port}") from None
            time.sleep(0.05)


# As Debian ships it, but for the log.
NGINX = """daemon off;
user root;
worker_processes 1;
pid {0}/nginx.{1}.pid;
error_log {0}/nginx.{1}.log;
events {{ worker_connections 768; }}
http {{
    access_log off;
    client_body_temp_path {0}/body;
    proxy_temp_path {0}/proxy;
    fastcgi_temp_path {0}/fastcgi;
    uwsgi_temp_path {0}/uwsgi;
    scgi_temp_path {0}/scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    server {{
        listen [::]:{1};
        root {0}/site;
    }}
}}
"""


def make_page():
    """What nginx serves: /page, of 1024 octets."""
    os.makedirs(f"{WORK}/site", exist_ok=True)
    with open(f"{WORK}/site/page", "w", encoding="ascii") as f:
        f.write("0123456789abcdef" * 64)


def start_nginx(port, env):
    config = f"{WORK}/nginx.{port}.conf"
    with open(config, "w", encoding="ascii") as f:
        f.write(NGINX.format(WORK, port))
    server = start_far(["nginx", "-c", config, "-e", f"{WORK}/nginx.{port}.log"], env)
    wait_for_far(port)
    return server
