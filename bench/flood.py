"""A load generator of raw sockets: requests made beforehand, so many connections, one process."""

import selectors
import socket
import sys
import time
from pathlib import Path

END_OF_HEAD = b"\r\n\r\n"


class Connection:
    """One keep-alive connection that always has one request on its way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""

    def read(self) -> int | None:
        """The status of a whole answer, or None while it is not complete."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.answer += data
        head, found, body = self.answer.partition(END_OF_HEAD)
        if not found:
            return None
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if len(body) < length:
            return None
        self.answer = b""
        return int(head[9:12])


def flood(port: int, requests: list[bytes], connections: int) -> tuple[float, int]:
    """Send every request once; answers (seconds, how many were answered 200)."""
    selector = selectors.DefaultSelector()
    waiting = iter(requests)
    began = time.perf_counter()
    busy = good = 0
    for request in [next(waiting) for _ in range(connections)]:
        connection = Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.socket.sendall(request)
        busy += 1
    while busy:
        for key, _ in selector.select():
            status = key.data.read()
            if status is None:
                continue
            good += status == 200
            request = next(waiting, b"")
            if request:
                key.data.socket.sendall(request)
            else:
                selector.unregister(key.data.socket)
                key.data.socket.close()
                busy -= 1
    return time.perf_counter() - began, good


def main() -> None:
    """`python -m bench.flood PORT FILE CONNECTIONS`: the file holds requests, each behind its length in 8 digits."""
    data = Path(sys.argv[2]).read_bytes()
    requests, at = [], 0
    while at < len(data):
        length = int(data[at : at + 8])
        requests.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    seconds, good = flood(int(sys.argv[1]), requests, int(sys.argv[3]))
    print(seconds, good)


if __name__ == "__main__":
    main()
