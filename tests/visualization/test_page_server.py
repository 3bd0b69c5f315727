"""A page on this machine: what is served, and what is not."""

import http.client
import socket
import urllib.request

import pytest

from aligndetr.errors import UserError
from aligndetr.visualization.page_server import served_page


def get(address, path="/", host=None, method="GET"):
    name, port = address.removeprefix("http://").rstrip("/").split(":")
    connection = http.client.HTTPConnection(name, int(port), timeout=10)
    connection.request(method, path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def test_each_request_gets_the_page_as_it_is_then():
    pages = iter(["<p>first", "<p>zwölf"])
    with served_page(lambda: next(pages), 0) as address:
        assert get(address) == (200, "<p>first")
        assert get(address, "/?again") == (200, "<p>zwölf")


def test_only_the_page_is_served(tmp_path, monkeypatch):
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.chdir(tmp_path)
    with served_page(lambda: "page", 0) as address:
        for path in ("/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "//secret.txt"):
            status, body = get(address, path)
            assert status == 404, path
            assert "secret" not in body.replace(path, "")
        assert get(address, method="POST")[0] == 501
        assert get(address, host="somewhere.example")[0] == 404
        assert get(address, host="localhost:80")[0] == 200


def test_browsers_ask_again_as_long_as_they_are_told_to():
    seconds = iter([30, None])
    with served_page(lambda: "page", 0, lambda: next(seconds)) as address:
        assert refreshes(address) == "30"
        assert refreshes(address) is None


def refreshes(address):
    with urllib.request.urlopen(address, timeout=10) as response:
        return response.headers.get("Refresh")


def test_it_listens_to_this_machine_alone():
    with served_page(lambda: "page", 0) as address:
        port = int(address.rstrip("/").rpartition(":")[2])
        assert address.startswith("http://127.0.0.1:")
        with socket.socket() as other:  # another address of this machine is still free
            other.bind(("127.0.0.2", port))


def test_a_page_that_fails_says_why_and_the_next_one_is_served():
    pages = iter([ValueError("<no> metrics"), "page"])

    def render():
        page = next(pages)
        if isinstance(page, Exception):
            raise page
        return page

    with served_page(render, 0) as address:
        status, body = get(address)
        assert status == 500
        assert "&lt;no&gt; metrics" in body
        assert get(address) == (200, "page")


def test_a_port_that_is_taken_or_none_is_refused():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for number in (port, 99999):
            message = f"cannot serve on port {number}: .*another --port"
            with pytest.raises(UserError, match=message), served_page(lambda: "", number):
                pass


def test_the_port_is_free_afterwards():
    with served_page(lambda: "", 0) as address:
        pass
    with pytest.raises(ConnectionRefusedError):
        get(address)
