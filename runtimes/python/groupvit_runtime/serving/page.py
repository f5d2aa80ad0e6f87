"""The page for browsers, beside the interface for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

_HEADERS: Final = {
    # Browsers give threads to pages that are isolated from others.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Page(StaticFiles):
    """Files of the first of some folders that has one; `index.html` for a folder."""

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__(directory=folders[0], html=True)
        self.all_directories = [str(folder) for folder in folders]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def isolated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await super().__call__(scope, receive, isolated)
