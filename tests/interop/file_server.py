"""A server on this machine that has one file, and answers as it is told."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 1000
OTHER = CONTENT[::-1]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Server:
    """Answers with `content`, but cuts the first connections after as many bytes as `cuts` say.

    Attributes:
        asked: (path, bytes from which on) of every request.
        tag: what it calls the file's version; None: it knows neither versions nor parts.
        status: an error that it answers with from the second request on.
    """

    def __init__(self):
        self.content, self.tag, self.cuts, self.asked = CONTENT, '"1"', [], []
        self.status = None
        self.size_known = True
        handler = type("Handler", (BaseHTTPRequestHandler,), {"do_GET": lambda h: self.answer(h)})
        handler.log_message = lambda *_: None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler):
        start = self._start(handler.headers)
        self.asked.append((handler.path, start))
        if start and start >= len(self.content):
            handler.send_error(416)
            return
        if self.status and len(self.asked) > 1:
            handler.send_error(self.status)
            return
        handler.send_response(206 if start else 200)
        if start:
            end = len(self.content)
            handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        if self.size_known:
            handler.send_header("Content-Length", str(len(self.content) - start))
        if self.tag:
            handler.send_header("ETag", self.tag)
        handler.end_headers()
        cut = self.cuts.pop(0) if self.cuts else len(self.content)
        handler.wfile.write(self.content[start : start + cut])
        handler.close_connection = True

    def _start(self, headers):
        if self.tag and headers["Range"] and headers["If-Range"] == self.tag:
            return int(headers["Range"].removeprefix("bytes=").removesuffix("-"))
        return 0

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
