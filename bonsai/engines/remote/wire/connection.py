"""The connection to a server: requests go out, and frames or a ServerError come back."""

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import httpx

from bonsai.engines.remote.wire.frames import Frame, FrameReader, Mark
from bonsai.engines.remote.wire.proxies import proxy_for
from bonsai.engines.remote.wire.retries import RetryPolicy
from bonsai.engines.remote.wire.server_errors import ServerError, Trouble, message_in, refusal, retry_after
from bonsai.errors import SettingError, first_line

_SECONDS_TO_CONNECT = 10.0
_MOST_REDIRECTS = 5
_LONGEST_ERROR = 1 << 16


class Connection:
    """The HTTP connections to one server.

    `address` names it for people. Raises SettingError if `base_url` or the proxy of the environment cannot be used.
    """

    def __init__(
        self, base_url: str, key: str, policy: RetryPolicy, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL as error:
            raise SettingError(f"BONSAI_BASE_URL is {base_url!r}, which is no address: {error}.") from error
        self.address = url.netloc.decode("ascii")
        self.key = key
        path = _base_of(url.path)
        self._base, self._root = url.copy_with(path=path), url.copy_with(path=path.removesuffix("/v1"))
        self._client = httpx.AsyncClient(
            transport=transport or _transport_for(url),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            # Else httpx would put the name and password of an address in the place of the key.
            auth=httpx.Auth() if key else None,
            timeout=httpx.Timeout(
                policy.silence, connect=min(_SECONDS_TO_CONNECT, policy.silence), pool=policy.deadline
            ),
        )

    async def ask(self, path: str, body: Mapping[str, Any] | None = None, root: bool = False) -> Any:
        """Return the JSON that the server answers at a path of its API, or of its root; raise ServerError."""
        url = self._url(path, self._root if root else self._base)
        async with self._answer("GET" if body is None else "POST", url, body, _SECONDS_TO_CONNECT) as response:
            try:
                return json.loads(await response.aread())
            except (ValueError, RecursionError) as error:
                raise ServerError(Trouble.UNREADABLE) from error

    @contextlib.asynccontextmanager
    async def frames(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[Frame | Mark]]:
        """Give the frames that the server answers; leaving the context before their end closes the connection.

        Raises ServerError, also from the frames.
        """
        async with self._answer("POST", self._url(path, self._base), body) as response:
            frames = self._frames(response)
            async with contextlib.aclosing(frames):
                yield frames

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _url(self, path: str, base: httpx.URL) -> httpx.URL:
        return base.copy_with(path=f"{base.path.rstrip('/')}/{path}")

    async def _frames(self, response: httpx.Response) -> AsyncGenerator[Frame | Mark, None]:
        reader, anything = FrameReader(), False
        async for data in response.aiter_bytes():
            for frame in reader.feed(data):
                anything = True
                yield frame
        for frame in reader.close():
            anything = True
            yield frame
        rest = reader.text.strip()
        if rest and not anything:
            kind = Trouble.PAGE if rest.startswith("<") else Trouble.UNREADABLE
            raise ServerError(kind, message=message_in(rest, self.key))
        if "content-length" in response.headers or "transfer-encoding" in response.headers:
            yield Mark.END

    @contextlib.asynccontextmanager
    async def _answer(
        self, method: str, url: httpx.URL, body: Mapping[str, Any] | None, seconds: float | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Give the server's answer if it is none of an error; raise ServerError in the place of httpx's errors."""
        timeout = httpx.USE_CLIENT_DEFAULT if seconds is None else httpx.Timeout(seconds)
        try:
            request = self._client.build_request(method, url, json=body, timeout=timeout)
            async with contextlib.aclosing(await self._send(request)) as response:
                if not response.is_success:
                    raise await self._refusal(response)
                yield response
        except httpx.HTTPError as error:
            raise _trouble(error) from error
        except (httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise ServerError(Trouble.UNREADABLE, message=first_line(error)) from error

    async def _send(self, request: httpx.Request) -> httpx.Response:
        response = await self._client.send(request, stream=True)
        for _ in range(_MOST_REDIRECTS):
            # All other redirects turn a POST into a GET.
            keeps = response.status_code in (307, 308) or (response.is_redirect and request.method == "GET")
            if not (keeps and response.next_request):
                break
            await response.aclose()
            response = await self._client.send(response.next_request, stream=True)
        return response

    async def _refusal(self, response: httpx.Response) -> ServerError:
        if response.is_redirect:
            following = response.next_request
            place = following.url.copy_with(query=None, fragment=None, userinfo=b"") if following else "nowhere"
            return ServerError(Trouble.MOVED, response.status_code, _base_of(str(place)))
        text = await _beginning(response)
        try:
            body: object = json.loads(text)
        except (ValueError, RecursionError):
            body = text
        error = refusal(Trouble.REFUSED, body, self.key, response.status_code, retry_after(response.headers))
        error.should_retry = {"true": True, "false": False}.get(response.headers.get("x-should-retry", "").lower())
        return error


def _base_of(address: str) -> str:
    """Return what the addresses of a server's API begin with, as `/v1` for `/v1/chat/completions`."""
    return address.rstrip("/").removesuffix("/completions").removesuffix("/chat")


async def _beginning(response: httpx.Response) -> str:
    """Return the beginning of an answer, as far as it comes."""
    data = b""
    with contextlib.suppress(httpx.HTTPError):
        async for part in response.aiter_bytes():
            data += part
            if len(data) > _LONGEST_ERROR:
                break
    return data.decode("utf-8", "replace")


def _transport_for(url: httpx.URL) -> httpx.AsyncHTTPTransport:
    proxy, limits = proxy_for(url), httpx.Limits(max_keepalive_connections=64)
    try:
        return httpx.AsyncHTTPTransport(proxy=proxy, limits=limits)
    except OSError as error:
        raise SettingError(
            f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read ({first_line(error)})."
        ) from error


def _trouble(error: httpx.HTTPError) -> ServerError:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError | httpx.UnsupportedProtocol):
        # What makes a connection unsafe cannot be guessed; that nobody is there can.
        unsafe = "certificate" in str(error).lower() or "ssl" in str(error).lower()
        return ServerError(Trouble.UNREACHABLE, message=first_line(error) if unsafe else "")
    if isinstance(error, httpx.TimeoutException):
        return ServerError(Trouble.SILENT)
    unreadable = isinstance(error, httpx.DecodingError | httpx.LocalProtocolError)
    return ServerError(Trouble.UNREADABLE if unreadable else Trouble.LOST)
