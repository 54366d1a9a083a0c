"""Which web pages may ask from their visitors' browsers: CORS (Fetch standard, 3.3), around everything that answers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = "GET, POST, DELETE"
REMEMBER = "600"  # seconds that a browser need not ask again
ANY = "*"


class Cors:
    """Marks answers, errors too, for the pages of some origins, and answers what their browsers ask before (preflight).

    Every other page's browser keeps the answer from it. Any origin (`*`) gets no credentials, which would be the cookies
    or the password of a proxy before us: any page could spend them.
    """

    def __init__(self, app: Any, origins: Collection[str]) -> None:
        self.app: ASGIApp = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; with marks, if the page may ask."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        origin = headers.get("origin", "")
        listed = origin in self._origins
        marks = {"Vary": "Origin"}
        if origin and (listed or ANY in self._origins):
            marks |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After"}
            marks |= {"Access-Control-Allow-Credentials": "true"} if listed else {}
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await Response(headers=marks | _preflight(headers))(scope, receive, send)
                return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(marks)
            await send(message)

        await self.app(scope, receive, marked)


def _preflight(headers: Any) -> dict[str, str]:
    """What a page may send. A star for the headers would leave out Authorization, so those asked for are named."""
    told = {"Access-Control-Allow-Methods": METHODS, "Access-Control-Max-Age": REMEMBER}
    if wanted := headers.get("access-control-request-headers"):
        told["Access-Control-Allow-Headers"] = wanted
    if headers.get("access-control-request-private-network"):
        told["Access-Control-Allow-Private-Network"] = "true"
    return told
