"""Connections that send a request and read nothing, or slowly: `silent_peers.py PORT COUNT RATE BYTES`, with the request on stdin.

Bun cannot make a socket with a small receive buffer, so this is Python. With a buffer of 2 KiB and small segments the kernels take
some ten KiB of a response, as over a slow network. RATE is new connections a second. Each reads BYTES a second, 0 for none. Prints the number of open
connections, and of those that were made, as a line a few times a second. Goes on until it is killed.
"""

import select
import socket
import sys
import time

MSS = 1460
RECEIVE_BYTES = 2048
PRINT_SECONDS = 0.2
READ_SECONDS = 0.1


class Peer:
    def __init__(self, port):
        self.unsent = memoryview(REQUEST)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, MSS)
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))

    def send(self):
        """Returns True when everything was sent."""
        try:
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            return False
        return True

    def read(self, count):
        try:
            self.socket.recv(count)
        except OSError:
            pass


def main(port, count, rate, read_bytes):
    poller = select.epoll()
    peers = {}
    begun = time.monotonic()
    made = printed = read = 0
    while True:
        elapsed = time.monotonic() - begun
        while made < min(count, elapsed * rate):
            peer = Peer(port)
            peers[peer.socket.fileno()] = peer
            poller.register(peer.socket, select.EPOLLOUT | select.EPOLLRDHUP)
            made += 1
        for descriptor, events in poller.poll(0.02):
            peer = peers[descriptor]
            is_over = events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP)
            try:
                if not is_over and peer.send():
                    poller.modify(descriptor, select.EPOLLRDHUP)
            except OSError:
                is_over = True
            if is_over:
                poller.unregister(descriptor)
                peers.pop(descriptor).socket.close()
        if read_bytes > 0 and elapsed - read > READ_SECONDS:
            for peer in peers.values():
                peer.read(int(read_bytes * (elapsed - read)))
            read = elapsed
        if elapsed - printed > PRINT_SECONDS:
            printed = elapsed
            print(len(peers), made, flush=True)


REQUEST = sys.stdin.buffer.read()
try:
    main(*(int(word) for word in sys.argv[1:5]))
except BrokenPipeError:
    sys.exit(0)
