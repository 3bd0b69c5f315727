"""One page for a browser on this machine, made anew when it is asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aligndetr.errors import UserError

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
FAILED_S = 10.0  # after which a browser asks again for a page that failed
_NAMES = (HOST, "localhost")  # another Host means that some web page's name leads here
_FAILED = "<!doctype html><meta charset=utf-8><title>no page</title><p>there is no page now: {}"


@contextmanager
def served_page(
    render: Callable[[], str], port: int, refresh: Callable[[], float | None] = lambda: None
) -> Generator[str]:
    """Inside of it, one page is served to this machine alone; nothing else is.

    Args:
        render: makes the page, from scratch or not, as it is to be now; what it raises is shown
            instead. It is called by one request at a time.
        port: of the server; 0 takes a free one.
        refresh: seconds after which the browser is to ask again; None: when its user does.

    Yields:
        The page's address.

    Raises:
        UserError: the port cannot be had.
    """
    functions = {"render": staticmethod(render), "refresh": staticmethod(refresh)}
    handler = type("Handler", (_Handler,), {**functions, "lock": threading.Lock()})
    try:
        server = _Server((HOST, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot serve on port {port}: {reason}; choose another --port") from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    with server:
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    """Does not wait for readers that are slow or gone."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that left is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    """Answers `GET /`; knows no files."""

    render: Callable[[], str]
    refresh: Callable[[], float | None]
    lock: threading.Lock
    timeout = 30

    def do_GET(self) -> None:
        """The page, or why there is none."""
        host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
        if host not in _NAMES or self.path.partition("?")[0] != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        status, seconds = HTTPStatus.OK, FAILED_S
        try:
            with self.lock:
                page, seconds = self.render(), self.refresh()
        except Exception as error:  # whatever it is, the next request may find a page
            logger.warning("the page cannot be made: %s", error)
            status, page = HTTPStatus.INTERNAL_SERVER_ERROR, _FAILED.format(escape(str(error)))
        content = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        if seconds is not None:
            self.send_header("Refresh", f"{seconds:g}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal shows the run."""
