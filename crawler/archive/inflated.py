"""A WARC file's bytes, inflated where they are gzip, for a reader who may have to skip damage."""

import re
import zlib
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

VERSION = re.compile(rb"WARC/[01]\.\d{1,2}\r\n")
"""What every record begins with."""
VERSION_BYTES = 12
"""The most that it takes."""

_BLOCK_BYTES = 1 << 16
_MAGIC = b"\x1f\x8b\x08"


class DamagedRecordError(ValueError):
    """Something where a record should be that is none, or only a part of one."""


class Inflated:
    """A file's bytes, inflated where they are gzip, with the borders of the gzip members in it.

    Args:
        file: Opened at its beginning.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.buffer = bytearray()
        self.position = 0
        """Of the buffer's first byte in the inflated stream."""
        self._record = 0
        """Where the record that is being read begins, in the inflated stream."""
        self._file = file
        # The beginning may be what is damaged: a file without a readable record in it is gzip.
        start = file.read(_BLOCK_BYTES)
        self._is_gzip = start.startswith(_MAGIC) or not VERSION.search(start)
        self._members: deque[tuple[int, int]] = deque()
        """Where members begin: in the inflated stream, in the file."""
        self._go_to(0)

    @property
    def offset(self) -> int:
        """Where in the file the record that is being read begins, or the member that it is in."""
        if not self._is_gzip:
            return self._record
        if self._is_broken:
            return self._members[-1][1]
        before = [offset for position, offset in self._members if position <= self._record]
        return before[-1] if before else 0

    def need(self, num_bytes: int) -> bool:
        """Fill the buffer up to a size; False: the file ends before it.

        Raises:
            DamagedRecordError: the gzip stream is cut or damaged.
        """
        while len(self.buffer) < num_bytes:
            if not self._fill():
                return False
        return True

    def begin_record(self) -> None:
        """What comes is a record: from here on it can be gone back to."""
        self._record = self.position
        while len(self._members) > 1 and self._members[1][0] <= self.position:
            self._members.popleft()

    def drop(self, num_bytes: int) -> None:
        """Go on by so many bytes, which need not be in memory at once.

        Raises:
            DamagedRecordError: the stream ends before.
        """
        while num_bytes:
            if not self.need(1):
                raise DamagedRecordError("the file ends within the record")
            step = min(num_bytes, len(self.buffer))
            del self.buffer[:step]
            self.position += step
            num_bytes -= step

    def begins_member(self, index: int) -> bool:
        """Whether a member begins at a place in the buffer, or at its end."""
        return any(start == self.position + index for start, _ in self._members)

    def is_member(self) -> bool:
        """Whether the record just read began and ended with a member.

        Raises:
            DamagedRecordError: its member does not end well.
        """
        if not self._is_gzip or not self._members or self._members[0][0] != self._record:
            return False
        while self._decoder and not self.buffer:  # the checksum may still be to come
            self._inflate()
        return self.begins_member(0) or (self._decoder is None and not self.buffer)

    def find_next_record(self) -> None:
        """Leave the record that is being read, and go to the next thing that looks like one."""
        if self._is_broken:
            return self._find_next_member()
        if not self._is_gzip:
            self._go_to(self._record)
        skipped = 1 if self.position == self._record else 0
        try:
            while self.need(skipped + VERSION_BYTES) or len(self.buffer) > skipped:
                found = VERSION.search(self.buffer, skipped)
                if found:
                    return self.drop(found.start())
                self.drop(max(1, len(self.buffer) - VERSION_BYTES))
                skipped = 0
        except DamagedRecordError:
            self._find_next_member()

    def _fill(self) -> bool:
        if self._is_gzip:
            if self._decoder is None and not self._begin_member():
                return False
            self._inflate()
            return True
        block = self._file.read(_BLOCK_BYTES)
        self.buffer += block
        return bool(block)

    def _begin_member(self) -> bool:
        self._pending = self._pending or self._read()
        if not self._pending:
            return False
        offset = self._num_read - len(self._pending)
        self._members.append((self.position + len(self.buffer), offset))
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        return True

    def _inflate(self) -> None:
        decoder = self._decoder
        assert decoder is not None
        self._pending = self._pending or self._read()
        is_last = not self._pending
        try:
            block = decoder.decompress(self._pending, _BLOCK_BYTES)
        except zlib.error as exc:
            self._is_broken = True
            raise DamagedRecordError(f"damaged gzip: {exc}") from exc
        self.buffer += block
        self._pending = decoder.unconsumed_tail
        if decoder.eof:
            self._pending, self._decoder = decoder.unused_data, None
        elif is_last and not block:
            self._is_broken = True
            raise DamagedRecordError("the file ends within a gzip member")

    def _read(self) -> bytes:
        block = self._file.read(_BLOCK_BYTES)
        self._num_read += len(block)
        return block

    def _go_to(self, offset: int) -> None:
        self._file.seek(offset)
        self._num_read = offset
        self._pending = b""
        self._decoder: zlib._Decompress | None = None
        self._is_broken = False
        self.buffer.clear()
        if not self._is_gzip:
            self.position = offset

    def _find_next_member(self) -> None:
        """Go to the next gzip member that holds a record, or to the end of the file."""
        start = self._members[-1][1] + 1
        self.position += len(self.buffer)
        self._members.clear()
        for offset in _places(self._file, _MAGIC, start):
            self._file.seek(offset)
            try:
                decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
                head = decoder.decompress(self._file.read(_BLOCK_BYTES), VERSION_BYTES)
            except zlib.error:
                continue
            if VERSION.match(head):
                return self._go_to(offset)
        return self._go_to(self._file.seek(0, 2))


def _places(file: BinaryIO, wanted: bytes, start: int) -> Iterator[int]:
    """Where `wanted` occurs in a file from byte `start` on; the file may be moved in between."""
    while True:
        file.seek(start)
        block = file.read(_BLOCK_BYTES)
        if len(block) < len(wanted):
            return
        found = block.find(wanted)
        while found >= 0:
            yield start + found
            found = block.find(wanted, found + 1)
        start += len(block) - len(wanted) + 1
