"""The page and its endpoint as an ASGI application (Starlette): three addresses, nothing written,
no path taken from a request.
"""

import asyncio
import base64
import hashlib
import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.resources import files
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from port.serve.labelling import PNG, RAW, Labelling, Limits, Refused, ServedNet, answer, decoded

log = logging.getLogger('port.serve')
PAGE = 'page.html'
Handler = Callable[[Request], Awaitable[Response]]


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return host == 'localhost'


def application(nets: Sequence[ServedNet], limits: Limits, host: str = '127.0.0.1') -> Starlette:
    """Return what answers for these nets, the one asked for first.

    host: where it listens. Where that is this machine alone, requests to another name are refused,
    so that no page elsewhere reaches it by a name of its own; and so is every request that a page
    of another address sends.
    """
    site = _Site(nets, limits, is_loopback(host))
    routes = [Route('/', site.guarded(site.page), methods=['GET']),
              Route('/net', site.guarded(site.net), methods=['GET']),
              Route('/label', site.guarded(site.label), methods=['POST'])]
    return Starlette(routes=routes)


class _Site:
    """The answers to the three addresses."""

    def __init__(self, nets: Sequence[ServedNet], limits: Limits, local: bool) -> None:
        self.nets, self.limits, self.local = {net.name: net for net in nets}, limits, local
        self.labelling = Labelling(limits)
        self.html = files(__package__).joinpath(PAGE).read_text(encoding='utf-8')
        self.policy = content_policy(self.html)

    def guarded(self, handler: Handler) -> Handler:
        """Refuse foreign requests, and say in a line what any handler refuses."""
        async def answered(request: Request) -> Response:
            try:
                self._check_origin(request)
                response = await handler(request)
            except Refused as refused:
                response = PlainTextResponse(refused.line + '\n', refused.status)
            except ClientDisconnect:
                response = PlainTextResponse('', 400)
            except Exception:
                log.exception('a request failed')
                response = PlainTextResponse('this failed; the terminal says more\n', 500)
            response.headers['X-Content-Type-Options'] = 'nosniff'
            response.headers['Cache-Control'] = 'no-store'
            return response
        return answered

    def _check_origin(self, request: Request) -> None:
        host = request.headers.get('host', '')
        name = urlsplit(f'//{host}').hostname or ''
        if self.local and not is_loopback(name):
            raise Refused(421, f'this server answers on this machine only, not as {name!r}')
        origin = request.headers.get('origin')
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refused(403, f'requests of pages of {origin!r} are not answered')

    async def page(self, request: Request) -> Response:
        """Answer the page itself."""
        return HTMLResponse(self.html, headers={'Content-Security-Policy': self.policy})

    async def net(self, request: Request) -> Response:
        """Answer what the page must know of the nets and the limits."""
        rows = [{'name': net.name, 'crf': str(net.crf), 'classes': [
            {'name': net.names[k] if k < len(net.names) else f'class {k}',
             'colour': net.palette[k].tolist()} for k in range(net.classes)]}
            for net in self.nets.values()]
        return JSONResponse({'nets': rows, 'megabytes': self.limits.megabytes,
                             'pixels': self.limits.pixels})

    async def label(self, request: Request) -> Response:
        """Answer the labels of the picture that is the body."""
        net, refined, form = self._asked(request)
        body = await self._body(request)

        def work() -> bytes:
            return answer(net, decoded(body, self.limits), refined, form)
        content = await self.labelling(work)
        if form == PNG:
            return Response(content, media_type='image/png')
        return Response(content, media_type='application/octet-stream',
                        headers={'Content-Encoding': 'gzip'})

    def _asked(self, request: Request) -> tuple[ServedNet, bool, str]:
        """Return net, CRF or not, and form of a request."""
        def one_of(key: str, known: Sequence[str]) -> str:
            value = request.query_params.get(key, known[0])
            if value not in known:
                raise Refused(400, f'{key}={value!r}: expected one of {", ".join(known)}')
            return value
        unknown = set(request.query_params) - {'net', 'crf', 'form'}
        if unknown:
            raise Refused(400, f'{min(unknown)!r}: expected net, crf or form')
        return (self.nets[one_of('net', list(self.nets))], one_of('crf', ['0', '1']) == '1',
                one_of('form', [PNG, RAW]))

    async def _body(self, request: Request) -> bytes:
        """Return the body; Refused as soon as it is too large, or where it comes too slowly."""
        most, parts, size = int(self.limits.megabytes * 1e6), [], 0
        too_large = partial(Refused, 413, f'expected a picture of at most '
                            f'{self.limits.megabytes:g} MB')
        told = request.headers.get('content-length', '')
        if told.isdecimal() and int(told) > most:
            raise too_large()
        try:
            async with asyncio.timeout(self.limits.seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > most:
                        raise too_large()
                    parts.append(part)
        except TimeoutError:
            raise Refused(408, f'the picture took more than {self.limits.seconds:g} seconds to '
                          'arrive') from None
        return b''.join(parts)


def content_policy(page: str) -> str:
    """Return the policy that lets the page run its own script and style, and load nothing else."""
    def digest(tag: str) -> str:
        inside = re.findall(rf'<{tag}>(.*?)</{tag}>', page, re.DOTALL)
        return ' '.join("'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest())
                        .decode() + "'" for text in inside)
    return (f"default-src 'none'; script-src {digest('script')}; style-src {digest('style')}; "
            "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'")
