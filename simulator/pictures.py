"""The pictures behind the addresses the platform gives out for QR codes (wecom-api §5.1)."""

import hashlib
import struct
import zlib

from aiohttp import web

routes = web.RouteTableDef()

MODULES, QUIET, SCALE = 25, 4, 4
"""Squares along one side, the empty border around them, pixels per square."""


@routes.get("/wwpic/{name}/{size}")
async def picture(request: web.Request) -> web.Response:
    """A picture that looks like a code, the same at every request; there is nothing behind it to scan."""
    return web.Response(body=png(request.match_info["name"]), content_type="image/png")


def png(name: str) -> bytes:
    """Black and white squares drawn from a name, as a PNG."""
    noise = hashlib.shake_256(name.encode()).digest(MODULES * MODULES)
    rows = [[value < 128 for value in noise[start : start + MODULES]] for start in range(0, len(noise), MODULES)]
    side = (MODULES + 2 * QUIET) * SCALE
    blank = b"\0" + b"\xff" * side
    border = b"\xff" * (QUIET * SCALE)
    lines = [b"\0" + border + b"".join((b"\0" if dark else b"\xff") * SCALE for dark in row) + border for row in rows]
    pixels = blank * (QUIET * SCALE) + b"".join(line * SCALE for line in lines) + blank * (QUIET * SCALE)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def chunk(kind: bytes, content: bytes) -> bytes:
    """One part of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
