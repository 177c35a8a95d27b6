"""The reference of `bench.callbacks`: aiohttp that reads a body and answers 200."""

import sys

from aiohttp import web


async def receive(request: web.Request) -> web.Response:
    """Read and forget."""
    await request.read()
    return web.Response()


if __name__ == "__main__":
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receive)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
