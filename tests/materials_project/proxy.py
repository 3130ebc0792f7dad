"""A proxy between the client and the server that spoils answers: one named fault, or none, for each request."""

import json
import socket
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import requests

RETRY_AFTER = 2  # s, what the faults "429 seconds" and "429 date" ask for
#: Faults after which the same request is answered if it is repeated.
PASSING = (
    *("429", "429 seconds", "429 date", "500", "502", "503", "504", "hang", "reset"),
    *("cut body", "truncated json", "web page"),
)


class Proxy:
    """`faults` names what befalls each request in turn ("": nothing); further ones pass. `asked` are (time, path)."""

    def __init__(self, upstream: str, faults: Iterable[str] = ()) -> None:
        self.upstream, self.faults = upstream, iter(faults)
        self.asked: list[tuple[float, str]] = []
        self.lock, self.over = threading.Lock(), threading.Event()

    def __enter__(self) -> "Proxy":
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def questions(self) -> list[str]:
        """Requests for data, with their parameters."""
        return [path for _, path in self.asked if urlsplit(path).path != "/heartbeat"]


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        with self.proxy.lock:
            self.proxy.asked.append((time.monotonic(), self.path))
            fault = next(self.proxy.faults, "")
        if fault == "hang":
            self.proxy.over.wait()
        elif fault == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault[:3].isdigit():
            date = format_datetime(datetime.now(UTC) + timedelta(seconds=RETRY_AFTER), usegmt=True)
            asked = {"seconds": str(RETRY_AFTER), "date": date, "day": "86400"}.get(fault[4:])
            self._send(int(fault[:3]), b"{}", {"Retry-After": asked} if asked else {})
        else:
            headers = {name: value for name, value in self.headers.items() if name.lower() == "x-api-key"}
            answer = requests.get(self.proxy.upstream + self.path, headers=headers, timeout=120)
            body = _spoiled(answer.content, fault)
            sent = body[: len(body) // 2] if fault == "cut body" else body
            self._send(answer.status_code, sent, {"Content-Length": str(len(body))})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _spoiled(body: bytes, fault: str) -> bytes:
    content = json.loads(body)
    if fault == "truncated json":
        return body[: len(body) // 2]
    if fault == "empty json":
        return b"{}"
    if fault == "web page":
        return b"<html>Log in to this network</html>"
    if fault == "short page":
        content["data"].pop()
    elif fault == "twice":
        content["data"][-1] = content["data"][0]
    elif fault == "other version":
        content["db_version"] = "2027.01.01"
    elif fault == "other theory":
        content["data"][0]["thermo_type"] = "r2SCAN"
    else:
        return body
    return json.dumps(content).encode()
