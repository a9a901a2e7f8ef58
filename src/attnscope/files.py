"""Write files atomically, and say in a sentence why a file cannot be written or read.

A file is first written under a temporary name, `.attnscope-….EXTENSION`, in the folder of its target, and renamed when it is
complete. The writer locks the temporary file, and the operating system releases the lock when the process ends. A temporary
file that nobody locks was left by a process that was killed; the next write to the folder removes it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from attnscope.errors import AttnscopeError, InputError, WriteError

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be removed there, which has the same effect as a lock
    fcntl = None


_PREFIX = ".attnscope-"
_LONGEST_EXTENSION = 24
_SPECIAL_FOLDERS = ("/dev/", "/proc/")

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "it would be larger than files may be here (see `ulimit -f`)",
    errno.EROFS: "the folder is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EIO: "the disk reports an input/output error",
    errno.ENOENT: "the folder does not exist",
    errno.EPIPE: "nothing reads from the other end of the pipe",
}


def shown(path: str | os.PathLike[str], most: int = 200) -> str:
    """`path` in quotes for a message; the start of a long one is left out."""
    text = os.fspath(path)
    return repr(text if len(text) <= most else f"…{text[-most:]}")


def reason(error: Exception) -> str:
    """Why the operating system refused, as part of a sentence. Also reads the number of an error from Rust's messages."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    number = error.errno if isinstance(error, OSError) and error.errno is not None else int(found[1]) if found else None
    if number in _REASONS:
        return _REASONS[number]
    if number is not None:
        return os.strerror(number).lower()
    return str(error).strip() or type(error).__name__


def check_target(path: Path, what: str) -> None:
    """Raise `InputError` if no file can be written at `path`. `what` names the content: "the trace"."""
    if "\0" in str(path):
        raise InputError(f"Cannot write {what}: the path {shown(path)} contains a NUL character. Choose another name.")
    try:
        if _mode(path.parent) is None or not stat.S_ISDIR(path.parent.stat().st_mode):
            problem = "is in a folder that does not exist"
        else:
            mode = _mode(path)
            problem = "is a folder" if mode is not None and stat.S_ISDIR(mode) else None
    except OSError as error:
        problem = f"cannot be used ({reason(error)})"
    if problem is not None:
        raise InputError(f"Cannot write {what}: {shown(path)} {problem}.")


@contextmanager
def replacing(path: Path, what: str) -> Generator[Path]:
    """Yield a temporary path to write to; when the block ends without an error, the file there replaces `path`.

    If anything fails, `path` is as before. A link is followed. To a device, a pipe or anything else that is not an ordinary
    file, the content is copied, since it cannot be replaced. `what` names the content in errors ("the trace").

    Raises `InputError` if `path` cannot be the name of a file, and `WriteError` if the file cannot be written.
    """
    check_target(path, what)
    with writing(path, what):
        direct = _is_special(path)
        target = path if direct else Path(os.path.realpath(path))
        folder = Path(tempfile.gettempdir()) if direct else target.parent
        _remove_stale(folder)
        handle, unfinished = _temporary(folder, path)
        try:
            yield unfinished
            if direct:
                with unfinished.open("rb") as source, target.open("wb") as device:
                    shutil.copyfileobj(source, device, 2**20)
                return
            mode = _mode(target)
            if mode is not None:
                unfinished.chmod(stat.S_IMODE(mode))
            os.fsync(handle)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
            os.close(handle)


@contextmanager
def writing(path: Path, what: str) -> Generator[None]:
    """Turn an `OSError` in the block into a `WriteError` that says why `what` could not be written to `path`."""
    try:
        yield
    except AttnscopeError:
        raise
    except OSError as error:
        raise WriteError(f"Cannot write {what} to {shown(path)}: {reason(error)}.") from error


def free_memory() -> int | None:
    """The memory that programs can still use without swapping, in bytes; None if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return None if found is None else int(found.split()[1]) * 1024


def _temporary(folder: Path, target: Path) -> tuple[int, Path]:
    """Make and lock an empty temporary file. It keeps the extension, from which some writers choose the format."""
    extension = "".join(target.suffixes[-2:])
    extension = extension if len(extension) <= _LONGEST_EXTENSION else ""
    while True:
        path = folder / f"{_PREFIX}{secrets.token_hex(8)}{extension}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
        with suppress(OSError):  # file systems without locks
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # not removed as stale before the lock was taken
            return handle, path
        os.close(handle)


def _remove_stale(folder: Path) -> None:
    """Remove the temporary files in `folder` that no running process holds."""
    with os.scandir(folder) as entries:
        left = [
            entry.path for entry in entries if entry.name.startswith(_PREFIX) and entry.is_file(follow_symlinks=False)
        ]
    for path in left:
        with suppress(OSError):  # it is in use, was removed by another process, or belongs to another user
            handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                if fcntl is not None:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(path).unlink()
            finally:
                os.close(handle)


def _is_special(path: Path) -> bool:
    """Whether `path` is something other than an ordinary file or a free name: a device, a pipe, an open file of a process."""
    mode = _mode(path)
    return (mode is not None and not stat.S_ISREG(mode)) or str(path.absolute()).startswith(_SPECIAL_FOLDERS)


def _mode(path: Path) -> int | None:
    """The mode of what is at `path`, following links; None if there is nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
