"""Judging in a browser: one page on this machine, with pictures; nothing leaves it."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from longtail.core.errors import DataError, LongtailError
from longtail.judge.cards import Cards
from longtail.judge.questions import Question
from longtail.judge.session import Session

#: An answer names twenty ids at most.
_MOST_BYTES = 100_000
_KINDS = ((b"\xff\xd8", "image/jpeg"), (b"\x89PNG", "image/png"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))


class JudgePage:
    """Serves the questions of one session on the loopback address, behind a path nobody can guess.

    Args:
        session: questions and answers.
        cards: what is shown of items.
        port: 0: any that is free.

    Attributes:
        url: where the page is.
        finished: set once every question is answered.

    Raises:
        DataError: the port is taken.
    """

    def __init__(self, session: Session, cards: Cards, *, port: int = 0) -> None:
        self.session = session
        self.cards = cards
        self.finished = threading.Event()
        self.secret = secrets.token_urlsafe(16)
        self.lock = threading.Lock()
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except OSError as error:
            raise DataError(f"The page cannot be served on port {port}: {error.strerror}. Choose another.") from error
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}/{self.secret}/"
        if session.question is None:
            self.finished.set()

    def __enter__(self) -> JudgePage:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def state(self) -> dict[str, Any]:
        """What the page shows now, as JSON values."""
        session = self.session
        question = session.question
        told: dict[str, Any] = {"place": session.place, "total": len(session.items), "judge": session.judge}
        if question is None:
            return told
        columns = {"left": question.left, "right": question.right}
        return {
            **told,
            "item": asdict(self.cards.of(question.item)),
            **{side: [asdict(self.cards.of(one)) for one in column] for side, column in columns.items()},
            "marked": sorted(session.marked),
        }

    def answer(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Write an answer down, or go back; gives what is shown next.

        An answer to a question that is no longer asked (a second tab, a key pressed twice) changes nothing.

        Raises:
            DataError: the answer is none.
        """
        irrelevant, item = said.get("irrelevant"), said.get("item")
        if said.get("back") is True:
            self.session.back()
            return self.state()
        if not isinstance(irrelevant, list) or not all(isinstance(one, str) for one in irrelevant):
            raise DataError("An answer needs `item` and `irrelevant`, a list of ids.")
        if _asks(self.session.question, item):
            self.session.answer(irrelevant)
            if self.session.question is None:
                self.finished.set()
        return self.state()


def _asks(question: Question | None, item: object) -> bool:
    return question is not None and question.item == item


def _handler(page: JudgePage) -> type[BaseHTTPRequestHandler]:
    html = files("longtail.judge").joinpath("page.html").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        """Answers for this page alone: the right host, the right path."""

        def do_GET(self) -> None:
            path = self._path()
            if path == "":
                self._send(html, "text/html; charset=utf-8")
            elif path == "state":
                with page.lock:
                    self._json(page.state())
            elif path == "picture":
                self._picture()
            elif path is not None:
                self.send_error(HTTPStatus.NOT_FOUND)

        def do_POST(self) -> None:
            path = self._path()
            if path is None:
                return
            length = int(self.headers.get("Content-Length") or 0)
            if path != "answer" or self.headers.get_content_type() != "application/json" or length > _MOST_BYTES:
                self.send_error(HTTPStatus.BAD_REQUEST)
                return
            try:
                said = json.loads(self.rfile.read(length))
                with page.lock:
                    self._json(page.answer(said if isinstance(said, dict) else {}))
            except (LongtailError, ValueError) as error:
                self._send(json.dumps({"error": str(error)}).encode(), "application/json", HTTPStatus.BAD_REQUEST)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the terminal shows progress."""

        def _path(self) -> str | None:
            """What is asked for below the secret path; None, and an error sent, where it is not this page's."""
            parts = urlsplit(self.path).path.split("/", 2)
            right = len(parts) == 3 and secrets.compare_digest(parts[1].encode(), page.secret.encode())
            # Another site that points its own name at this address must not be answered.
            if not right or self.headers.get("Host") not in (page.host, page.host.replace("127.0.0.1", "localhost")):
                self.send_error(HTTPStatus.NOT_FOUND)
                return None
            return parts[2]

        def _picture(self) -> None:
            item = parse_qs(urlsplit(self.path).query).get("item", [""])[0]
            try:
                content = page.cards.picture(item)
            except LongtailError:
                content = None
            kind = next((kind for start, kind in _KINDS if content and content.startswith(start)), None)
            if content is None or kind is None:
                self.send_error(HTTPStatus.NOT_FOUND)
            else:
                self._send(content, kind)

        def _json(self, value: Any) -> None:
            self._send(json.dumps(value, ensure_ascii=False).encode(), "application/json")

        def _send(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header(
                "Content-Security-Policy",
                "default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src 'unsafe-inline'; "
                "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            )
            self.end_headers()
            self.wfile.write(content)

    return Handler
