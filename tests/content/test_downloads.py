import contextlib
import http.server
import io
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longtail.content import downloads
from longtail.content.downloads import Downloads, Policy, _is_public, fetch, is_url
from longtail.content.model import ContentModel
from longtail.content.pictures import Unreadable
from longtail.core.progress import SILENT


class Answers(http.server.BaseHTTPRequestHandler):
    """``/ok``: five bytes. ``/to?...``: a redirect there. Others as they are called."""

    content = b"12345"
    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        path, _, query = self.path.partition("?")
        if path == "/to":
            self.send_response(302)
            self.send_header("Location", query)
            self.end_headers()
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"123")
        elif path == "/slow":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):  # the reader leaves
                for _ in range(40):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.05)
        elif path.startswith("/ok"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(type(self).content)
        else:
            self.send_error(404)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Answers]]]:
    handler = type("Handler", (Answers,), {"asked": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"127.0.0.1:{running.server_address[1]}", handler
    running.shutdown()
    thread.join()
    running.server_close()


def reason(url: str, policy: Policy) -> str:
    with pytest.raises(Unreadable) as found:
        fetch(url, policy)
    return str(found.value)


def test_a_picture_is_fetched_from_an_allowed_host_alone(server: Any) -> None:
    host, handler = server
    policy = Policy((host,), allow_private=True)
    assert fetch(f"http://{host}/ok", policy) == b"12345"
    assert fetch(f"http://{host}/ok a ü.jpg?size=1 2", policy) == b"12345"
    assert handler.asked[-1] == "/ok%20a%20%C3%BC.jpg?size=1%202"
    n = len(handler.asked)
    assert reason(f"http://{host}/ok", Policy(())) == "URL: host not allowed"
    assert reason(f"http://{host}/ok", Policy(("127.0.0.1",), allow_private=True)) == "URL: host not allowed"  # port 80
    assert reason(f"http://{host}/ok", Policy((host,))) == "URL: private address"
    assert reason(f"http://user:secret@{host}/ok", policy) == "URL: has a password"
    assert reason("http://127.0.0.1:none/ok", policy) == "URL: malformed"
    assert len(handler.asked) == n


def test_a_redirect_is_checked_like_any_url(server: Any) -> None:
    host, handler = server
    policy = Policy((host,), allow_private=True)
    assert fetch(f"http://{host}/to?/ok", policy) == b"12345"
    assert fetch(f"http://{host}/to?/to?/ok", policy) == b"12345"
    assert reason(f"http://{host}/to?http://localhost:{host.split(':')[1]}/ok", policy) == "URL: host not allowed"
    assert reason(f"http://{host}/to?file:///etc/passwd", policy) == "URL: malformed"
    handler.asked.clear()
    assert reason(f"http://{host}/to?/to?/to?/to?/to?/ok", policy) == "URL: too many redirects"
    assert len(handler.asked) == 4


def test_size_time_and_faults(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _ = server
    policy = Policy((host,), allow_private=True)
    assert reason(f"http://{host}/nothing", policy) == "URL: status 404"
    assert reason(f"http://{host}/cut", policy) == "URL: no answer"
    started = time.monotonic()
    assert reason(f"http://{host}/slow", Policy((host,), seconds=0.3, allow_private=True)) == "URL: too slow"
    assert time.monotonic() - started < 1.5
    monkeypatch.setattr("longtail.content.pictures.MAX_BYTES", 4)
    assert reason(f"http://{host}/ok", policy) == "file too large"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    nobody = f"127.0.0.1:{port}"
    assert reason(f"http://{nobody}/ok", Policy((nobody,), allow_private=True)) == "URL: no answer"


def test_a_name_that_resolves_into_the_network_is_refused(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host, handler = server
    port = int(host.split(":")[1])

    def resolve(*addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]
        monkeypatch.setattr(downloads.socket, "getaddrinfo", lambda *_, **__: found)

    policy = Policy((f"images.shop.test:{port}",))
    for addresses in (["127.0.0.1"], ["93.184.215.14", "10.0.0.8"], ["169.254.169.254"]):
        resolve(*addresses)
        assert reason(f"http://images.shop.test:{port}/ok", policy) == "URL: private address"
    assert not handler.asked


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
     "::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::"],
)  # fmt: skip
def test_addresses_inside(address: str) -> None:
    assert not _is_public(address)


def test_addresses_outside_and_patterns_of_hosts() -> None:
    assert _is_public("93.184.215.14")
    assert _is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    policy = Policy(("images.shop.com", "*.cdn.com", "odd.com:8443"))
    assert policy.allows("images.shop.com", 443, "https")
    assert policy.allows("a.b.cdn.com", 80, "http")
    assert policy.allows("odd.com", 8443, "https")
    others = [("shop.com", 443), ("cdn.com", 443), ("evilcdn.com", 443), ("images.shop.com", 8080), ("odd.com", 443)]
    assert not any(policy.allows(host, port, "https") for host, port in others)
    assert is_url(" HTTPS://a/b")
    assert not is_url("images/https.jpg")


def test_each_url_once_and_nothing_stays_behind(server: Any) -> None:
    host, handler = server
    with Downloads(Policy((host,), allow_private=True)) as run:
        run.fetch([f"http://{host}/ok", f"http://{host}/ok", f"http://{host}/gone"], SILENT)
        assert run.content(f"http://{host}/ok") == b"12345"
        with pytest.raises(Unreadable, match="status 404"):
            run.content(f"http://{host}/gone")
        assert run._folder is not None
        folder = Path(run._folder.name)
    assert sorted(handler.asked) == ["/gone", "/ok"]
    assert not folder.exists()


def test_urls_in_a_catalog(server: Any, make_catalog: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")
    torch = pytest.importorskip("torch", reason="the extra 'images' is not installed")
    timm = pytest.importorskip("timm", reason="the extra 'images' is not installed")
    monkeypatch.setattr("longtail.content.picture_reading._LOADED", {})
    torch.save(timm.create_model("test_resnet", pretrained=False).state_dict(), tmp_path / "w.pth")
    host, handler = server
    buffer = io.BytesIO()
    image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(buffer, "PNG")
    handler.content = buffer.getvalue()
    (tmp_path / "same.png").write_bytes(buffer.getvalue())
    schema = {"photo": {"kind": "image", "model": f"test_resnet:{tmp_path / 'w.pth'}"}}
    photo = [f"http://{host}/ok", "same.png", f"http://{host}/gone", "http://other.test/x.png", None]

    closed, _ = ContentModel.fit(make_catalog(schema, photo=photo), cache=None, base=tmp_path)
    assert closed.describe()[0]["unreadable: URL: host not allowed"] == 3
    assert not handler.asked

    schema["photo"]["hosts"] = [host]  # type: ignore[assignment]
    monkeypatch.setattr("longtail.content.image.Policy", partial(Policy, allow_private=True))
    catalog = make_catalog(schema, photo=photo)
    model, features = ContentModel.fit(catalog, cache=None, base=tmp_path)
    assert features["photo"].present.tolist() == [True, True, False, False, False]
    assert features["photo"].matrix[0].tobytes() == features["photo"].matrix[1].tobytes()
    described = model.describe()[0]
    assert described["unreadable: URL: status 404"] == described["unreadable: URL: host not allowed"] == 1
    again = ContentModel.from_state(*model.state(), base=tmp_path).encode(catalog)
    assert again["photo"].matrix.tobytes() == features["photo"].matrix.tobytes()
