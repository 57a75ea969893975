"""A small HTTP/1.1 client that shows what the wire shows: status, headers, body, and the lines of a chunked stream as they come.

The standard client would do for whole replies, but it reads a chunked stream by chunk and hides where a line ends.
"""
import socket
import time


class Broken(Exception):
    """The connection ended, or the deadline passed, before the reply did."""


class Exchange:
    """One request on a connection of its own. `head` waits for status and headers, `line` and `rest` read the body."""

    def __init__(self, address, method, path, body, headers=None):
        self.status = None
        self.headers = {}
        self.trailers = {}
        self._pending = b''  # bytes received and not yet understood
        self._text = b''     # body bytes not yet handed out
        self._left = None    # bytes left of a body with a length; None: chunked
        self._ended = False
        self._socket = socket.create_connection(address, timeout=5)
        head = [f'{method} {path} HTTP/1.1', f'Host: {address[0]}:{address[1]}', f'Content-Length: {len(body)}']
        head += [f'{name}: {value}' for name, value in (headers or {}).items()]
        self._socket.sendall('\r\n'.join(head).encode() + b'\r\n\r\n' + body)

    def close(self):
        self._socket.close()

    @property
    def content_type(self):
        return self.headers.get('content-type', '')

    def head(self, deadline):
        if self.status is not None:
            return
        while b'\r\n\r\n' not in self._pending:
            self._receive(deadline)
        head, self._pending = self._pending.split(b'\r\n\r\n', 1)
        status, *fields = head.decode('latin-1').split('\r\n')
        self.status = int(status.split(' ')[1])
        self.headers = self._fields(fields)
        if self.headers.get('transfer-encoding') != 'chunked':
            self._left = int(self.headers.get('content-length', '0'))

    def line(self, deadline):
        """The next line of the body; None once the body has ended."""
        self.head(deadline)
        while b'\n' not in self._text:
            if not self._advance(deadline):
                last, self._text = self._text, b''
                return last.decode() or None
        line, self._text = self._text.split(b'\n', 1)
        return line.decode()

    def rest(self, deadline):
        self.head(deadline)
        while self._advance(deadline):
            pass
        text, self._text = self._text, b''
        return text.decode(errors='backslashreplace')

    @staticmethod
    def _fields(lines):
        return {name.lower(): value for name, value in (line.split(': ', 1) for line in lines if ': ' in line)}

    def _receive(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Broken('no answer in time')
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError as error:
            raise Broken('no answer in time') from error
        except OSError as error:
            raise Broken(str(error)) from error
        if not data:
            raise Broken('the connection was closed within the reply')
        self._pending += data

    def _advance(self, deadline):
        """Moves more of the body into `_text`; False at its end."""
        if self._ended:
            return False
        if self._left is not None:
            if self._left > 0 and not self._pending:
                self._receive(deadline)
            taken = self._pending[:self._left]
            self._pending = self._pending[self._left:]
            self._text += taken
            self._left -= len(taken)
            self._ended = self._left == 0
            return bool(taken) or not self._ended
        while b'\r\n' not in self._pending:
            self._receive(deadline)
        size_text, after = self._pending.split(b'\r\n', 1)
        size = int(size_text, 16)
        if size == 0:
            while b'\r\n' not in after or not (after.startswith(b'\r\n') or b'\r\n\r\n' in after):
                self._receive(deadline)
                after = self._pending.split(b'\r\n', 1)[1]
            self.trailers = self._fields(after.decode('latin-1').split('\r\n'))
            self._ended = True
            return False
        while len(after) < size + 2:
            self._receive(deadline)
            after = self._pending.split(b'\r\n', 1)[1]
        self._text += after[:size]
        self._pending = after[size + 2:]
        return True
