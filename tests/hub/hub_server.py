"""A hub on this machine: as much of the Hugging Face hub as its library asks for, in memory."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

RESOLVE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Hub:
    """Repositories by name, each a list of commits, each a dict of files.

    Attributes:
        url: of the server.
        commits: (repository, commit) -> {path: content}.
        branches: (repository, branch) -> commit.
        gated: repositories that nobody may read.
        asked: (method, path) of every request.
    """

    def __init__(self):
        self.commits, self.branches, self.gated = {}, {}, set()
        self.blobs, self.asked = {}, []
        methods = {f"do_{name}": getattr(self, name.lower()) for name in ("GET", "POST", "PUT")}
        methods["do_HEAD"] = self.get
        called = {name: (lambda h, call=call: call(h)) for name, call in methods.items()}
        handler = type("Handler", (BaseHTTPRequestHandler,), called)
        handler.log_message = lambda *_: None
        handler.protocol_version = "HTTP/1.1"
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def commit(self, repository, files, branch="main"):
        """Put files there; the new commit."""
        before = self.commits.get((repository, self.branches.get((repository, branch))), {})
        files = {**before, **files}
        oid = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[repository, oid] = files
        self.branches[repository, branch] = oid
        return oid

    def get(self, handler):
        self.asked.append((handler.command, handler.path))
        match = RESOLVE.fullmatch(unquote(handler.path))
        if match is None:
            return reply(handler, 404)
        repository, revision, path = match.groups()
        if repository in self.gated:
            return reply(handler, 403, headers={"X-Error-Code": "GatedRepo"})
        if not any(name == repository for name, _ in self.commits):
            return reply(handler, 401, headers={"X-Error-Code": "RepoNotFound"})
        oid = self.branches.get((repository, revision), revision)
        files = self.commits.get((repository, oid))
        if files is None:
            return reply(handler, 404, headers={"X-Error-Code": "RevisionNotFound"})
        if path not in files:
            return reply(handler, 404, headers={"X-Error-Code": "EntryNotFound"})
        content = files[path]
        large = path.endswith(".safetensors")
        etag = sha256(content) if large else hashlib.sha1(content).hexdigest()
        headers = {"X-Repo-Commit": oid, "ETag": f'"{etag}"'}
        if large:
            headers |= {"X-Linked-ETag": f'"{etag}"', "X-Linked-Size": str(len(content))}
        return reply(handler, 200, content, headers)

    def post(self, handler):
        self.asked.append((handler.command, handler.path))
        body = handler.rfile.read(int(handler.headers["Content-Length"] or 0))
        path = handler.path.partition("?")[0]
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            return reply_json(handler, {"url": f"{self.url}/{name}", "name": name})
        if path.startswith("/api/models/") and "/preupload/" in path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return reply_json(handler, {"files": files})
        if path.endswith("/info/lfs/objects/batch"):
            return reply_json(handler, self._batch(json.loads(body)))
        match = re.fullmatch(r"/api/models/(.+)/commit/(.+)", path)
        if match:
            return reply_json(handler, self._commit(match[1], match[2], body))
        return reply_json(handler, {})

    def _batch(self, asked):
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.url}/store/{each['oid']}"}}}
            for each in asked["objects"]
        ]
        return {"transfer": "basic", "objects": objects}

    def _commit(self, repository, branch, body):
        files = {}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.blobs[value["oid"]]
        oid = self.commit(repository, files, branch)
        return {
            "success": True,
            "commitOid": oid,
            "commitUrl": f"{self.url}/{repository}/commit/{oid}",
        }

    def put(self, handler):
        self.asked.append((handler.command, handler.path))
        content = body_of(handler)
        self.blobs[handler.path.rpartition("/")[2]] = content
        return reply(handler, 200)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def body_of(handler):
    """What was sent, in one piece or in chunks."""
    if handler.headers["Transfer-Encoding"] != "chunked":
        return handler.rfile.read(int(handler.headers["Content-Length"]))
    content = b""
    while size := int(handler.rfile.readline(), 16):
        content += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return content


def reply_json(handler, value):
    reply(handler, 200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def reply(handler, status, content=b"", headers=()):
    handler.send_response(status)
    for name, value in dict(headers).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content)
