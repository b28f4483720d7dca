"""A file system with chosen defects, in user space: what Drive, NFS and bad disks do.

It passes everything through to a directory. The server is a process of its own and
speaks the kernel's FUSE protocol itself (``linux/fuse.h``), because there is no library
of that on a bare machine; it needs root and ``/dev/fuse``, nothing else.

Defects are members of a JSON file which is read before every answer, so that a test
can let the disk fail and mend while something is running on it:

``no_locks``, ``no_links``, ``no_mmap``
    These calls fail, as on Google Drive's mount.
``fsync``, ``write``
    The number of the error that the call fails with.
``short_write``
    Writes take at most so many bytes.
``delay_s``, ``slow``
    Every answer about a path that holds the text ``slow`` waits so long.
``attr_s``
    How long the kernel may believe a size that it has seen, as an NFS client does.
    A file that is opened for appending is written to at that size.
``read_only``
    Chosen once, at the beginning. (Else reading a file makes the kernel ask for its
    attributes anew, because of the time of the last access.)
"""

# The protocol's paths are bytes.
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH208
from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from struct import calcsize, pack, unpack_from
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = calcsize("<IIQQIIII")
_SILENT = {2, 36, 42}  # FORGET, INTERRUPT, BATCH_FORGET have no answer
_LOCKS = {31, 32, 33}
_libc = ctypes.CDLL(None, use_errno=True)


class Server:
    """Answers one mount's requests, one after the other."""

    def __init__(self, backing: str, mount: str, defects: str) -> None:
        self.backing, self.mount = os.fsencode(backing), os.fsencode(mount)
        self.defects_path = defects
        self.paths = {1: b""}  # node id → path below the root
        self.nodes = {b"": 1}
        self.bad: dict[str, Any] = {}

    def serve(self) -> None:
        device = os.open("/dev/fuse", os.O_RDWR)
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
        flags = int(
            bool(json.loads(Path(self.defects_path).read_text()).get("read_only"))
        )
        if _libc.mount(b"faulty", self.mount, b"fuse", flags, options) != 0:
            sys.exit(os.strerror(ctypes.get_errno()))
        while True:
            try:
                request = os.read(device, 1 << 18)
            except OSError:
                return  # unmounted
            _, opcode, unique, node = unpack_from("<IIQQ", request)
            self.bad = json.loads(Path(self.defects_path).read_text())
            try:
                error, body = 0, self.answer(opcode, node, request[_HEADER:])
            except OSError as failure:
                error, body = failure.errno or errno.EIO, b""
            if opcode not in _SILENT:
                head = pack("<IiQ", 16 + len(body), -error, unique)
                try:
                    os.write(device, head + body)
                except OSError:
                    continue  # who asked was killed

    def answer(self, opcode: int, node: int, rest: bytes) -> bytes:
        path = self.paths.get(node, b"?")
        if self.bad.get("slow") and self.bad["slow"].encode() in path:
            time.sleep(self.bad["delay_s"])
        if opcode in _LOCKS and self.bad.get("no_locks"):
            raise OSError(errno.ENOLCK, "")
        method = _METHODS.get(opcode)
        if method is None:
            raise OSError(errno.ENOSYS, "")
        return method(self, path, rest)

    # -- names and attributes ------------------------------------------------------

    def real(self, path: bytes) -> bytes:
        return self.backing + b"/" + path

    def entry(self, path: bytes) -> bytes:
        attributes = self.attributes(self.real(path))
        node = self.nodes.setdefault(path, len(self.nodes) + len(self.paths) + 7)
        self.paths[node] = path
        believed = int(self.bad.get("attr_s", 0))
        return pack("<QQQQII", node, 0, believed, believed, 0, 0) + attributes

    @staticmethod
    def attributes(of: bytes | int) -> bytes:
        s = os.fstat(of) if isinstance(of, int) else os.lstat(of)
        times = [
            divmod(t, 10**9) for t in (s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns)
        ]
        whole, parts = zip(*times, strict=True)
        told = pack("<QQQQQQIII", s.st_ino, s.st_size, s.st_blocks, *whole, *parts)
        owner = (s.st_mode, s.st_nlink, s.st_uid, s.st_gid, 0, 4096, 0)
        return told + pack("<IIIIIII", *owner)

    def init(self, _: bytes, rest: bytes) -> bytes:
        offered = unpack_from("<IIII", rest)[3]
        wanted = 1 << 1 | 1 << 10 | 1 << 5  # POSIX_LOCKS, FLOCK_LOCKS, BIG_WRITES
        sizes = (0, 0, 1 << 17, 1, 0, 0, 0)
        return pack("<IIIIHHIIHHI28x", 7, 31, 1 << 17, offered & wanted, *sizes)

    def lookup(self, path: bytes, rest: bytes) -> bytes:
        return self.entry(_join(path, rest))

    def getattr(self, path: bytes, rest: bytes) -> bytes:
        flags, _, handle = unpack_from("<IIQ", rest)
        known = self.attributes(handle if flags & 1 else self.real(path))
        return pack("<QII", int(self.bad.get("attr_s", 0)), 0, 0) + known

    def setattr(self, path: bytes, rest: bytes) -> bytes:
        valid, _, _, size, _, atime, mtime, _, a_ns, m_ns, _, mode, _, uid, gid = (
            unpack_from("<IIQQQQQQIIIIIII", rest)
        )
        real = self.real(path)
        if valid & 1:
            os.chmod(real, stat.S_IMODE(mode))
        if valid & 6:
            os.chown(real, uid if valid & 2 else -1, gid if valid & 4 else -1)
        if valid & 8:
            os.truncate(real, size)
        if valid & (128 | 256):
            os.utime(real)
        elif valid & 48:
            os.utime(real, ns=(atime * 10**9 + a_ns, mtime * 10**9 + m_ns))
        return pack("<QII", 0, 0, 0) + self.attributes(real)

    def mkdir(self, path: bytes, rest: bytes) -> bytes:
        mode, umask = unpack_from("<II", rest)
        made = _join(path, rest[8:])
        os.mkdir(self.real(made), mode & ~umask)
        return self.entry(made)

    def unlink(self, path: bytes, rest: bytes) -> bytes:
        gone = _join(path, rest)
        os.unlink(self.real(gone))
        self.nodes.pop(gone, None)
        return b""

    def rmdir(self, path: bytes, rest: bytes) -> bytes:
        gone = _join(path, rest)
        os.rmdir(self.real(gone))
        self.nodes.pop(gone, None)
        return b""

    def rename2(self, path: bytes, rest: bytes) -> bytes:
        return self.rename(path, rest[:8] + rest[16:])

    def rename(self, path: bytes, rest: bytes) -> bytes:
        (folder,) = unpack_from("<Q", rest)
        old, new = rest[8:].split(b"\0")[:2]
        source, target = _join(path, old), _join(self.paths[folder], new)
        os.rename(self.real(source), self.real(target))
        self.nodes.pop(target, None)
        for known, node in list(self.nodes.items()):
            if known == source or known.startswith(source + b"/"):
                moved = target + known[len(source) :]
                self.nodes[moved] = self.nodes.pop(known)
                self.paths[node] = moved
        return b""

    def link(self, _: bytes, __: bytes) -> bytes:
        if self.bad.get("no_links"):
            raise OSError(errno.EPERM, "")
        raise OSError(errno.ENOSYS, "")

    # -- contents --------------------------------------------------------------------

    def opened(self, real: bytes, flags: int, mode: int = 0) -> bytes:
        # The kernel says where to write, by the size that it believes in.
        flags &= ~(os.O_APPEND | getattr(os, "O_DIRECT", 0) | os.O_NOFOLLOW)
        handle = os.open(real, flags, mode)
        return pack("<QIi", handle, int(bool(self.bad.get("no_mmap"))), 0)

    def open(self, path: bytes, rest: bytes) -> bytes:
        return self.opened(self.real(path), unpack_from("<I", rest)[0])

    def create(self, path: bytes, rest: bytes) -> bytes:
        flags, mode, umask = unpack_from("<III", rest)
        made = _join(path, rest[16:])
        opened = self.opened(self.real(made), flags | os.O_CREAT, mode & ~umask)
        return self.entry(made) + opened

    def read(self, _: bytes, rest: bytes) -> bytes:
        handle, offset, size = unpack_from("<QQI", rest)
        return os.pread(handle, size, offset)

    def write(self, _: bytes, rest: bytes) -> bytes:
        if self.bad.get("write"):
            raise OSError(self.bad["write"], "")
        handle, offset, size = unpack_from("<QQI", rest)
        size = min(size, self.bad.get("short_write") or size)
        return pack("<II", os.pwrite(handle, rest[40 : 40 + size], offset), 0)

    def fsync(self, _: bytes, __: bytes) -> bytes:
        if self.bad.get("fsync"):
            raise OSError(self.bad["fsync"], "")
        return b""

    def nothing(self, _: bytes, __: bytes) -> bytes:
        return b""

    def release(self, _: bytes, rest: bytes) -> bytes:
        os.close(unpack_from("<Q", rest)[0])
        return b""

    def opendir(self, _: bytes, __: bytes) -> bytes:
        return pack("<QIi", 0, 0, 0)

    def readdir(self, path: bytes, rest: bytes) -> bytes:
        _, offset, size = unpack_from("<QQI", rest)
        names = [b".", b"..", *sorted(os.listdir(self.real(path)))]
        told = b""
        for at, name in enumerate(names[offset:], start=offset + 1):
            one = pack("<QQII", at, at, len(name), 0) + name
            one += b"\0" * (-len(one) % 8)
            if len(told) + len(one) > size:
                break
            told += one
        return told

    def statfs(self, _: bytes, __: bytes) -> bytes:
        s = os.statvfs(self.backing)
        blocks = (s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree)
        return pack("<QQQQQIII28x", *blocks, s.f_bsize, 255, s.f_frsize)


_METHODS = {
    1: Server.lookup,
    3: Server.getattr,
    4: Server.setattr,
    9: Server.mkdir,
    10: Server.unlink,
    11: Server.rmdir,
    12: Server.rename,
    13: Server.link,
    14: Server.open,
    15: Server.read,
    16: Server.write,
    17: Server.statfs,
    18: Server.release,
    20: Server.fsync,
    25: Server.nothing,  # FLUSH
    26: Server.init,
    27: Server.opendir,
    28: Server.readdir,
    29: Server.nothing,  # RELEASEDIR
    30: Server.fsync,  # FSYNCDIR
    35: Server.create,
    45: Server.rename2,
}


def _join(folder: bytes, name: bytes) -> bytes:
    name = name.split(b"\0")[0]
    return folder + b"/" + name if folder else name


class Mount:
    """A directory under ``path`` whose defects can be chosen."""

    def __init__(self, path: Path, defects: Path) -> None:
        self.path = path
        self._defects = defects

    def suffer(self, **defects: Any) -> None:
        """Have these defects from now on, and no others."""
        fresh = self._defects.with_suffix(".new")
        fresh.write_text(json.dumps(defects))
        fresh.replace(self._defects)


@contextmanager
def mounted(backing: Path, mount: Path, **defects: Any) -> Iterator[Mount]:
    """Mount a faulty view of ``backing`` at ``mount``, and take it away again."""
    import pytest  # which the server, who is this file too, does without

    backing.mkdir(exist_ok=True)
    mount.mkdir()
    told = mount.with_name(f"{mount.name}.defects")
    faulty = Mount(mount, told)
    faulty.suffer(**defects)
    outside = mount.stat().st_dev
    server = subprocess.Popen([sys.executable, __file__, backing, mount, told])
    try:
        while mount.stat().st_dev == outside:
            if server.poll() is not None:
                pytest.skip("no file system of one's own can be mounted here")
            time.sleep(0.005)
        yield faulty
    finally:
        _libc.umount2(os.fsencode(mount), 2)  # MNT_DETACH
        server.send_signal(signal.SIGKILL)
        server.wait()


if __name__ == "__main__":
    Server(*sys.argv[1:]).serve()
