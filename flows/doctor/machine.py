"""The machine: Python, libraries, disk, memory, open files, GPUs."""

import importlib.metadata
import os
import platform
import re
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from flows.corpora.summary import show_bytes
from flows.doctor.check import Check, fail, ok, warn

_CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
_LEAST_BYTES, _ENOUGH_BYTES = 10**9, 10**10
_PAGE_BYTES = 2**30  # extract.memory_bytes: what a page may cost a worker
_OPEN_FILES = 1024  # 256 links in flight take a socket each, a robots.txt and a look-up beside it
_REINSTALL = "Install the tested versions: make install"


def check_machine(data: Path, workers: int) -> Iterator[Check]:
    """Everything about the machine.

    Args:
        data: The data folder, or where it is going to be.
        workers: Worker processes that stages are going to have.
    """
    yield check_python()
    yield check_libraries()
    yield check_disk(data)
    yield check_memory(workers)
    yield check_open_files()
    yield check_gpus()


def check_python() -> Check:
    """Whether this is a Python that webtext runs on."""
    wanted = importlib.metadata.metadata("webtext")["Requires-Python"]
    version = platform.python_version()
    if version not in SpecifierSet(wanted):
        return fail("Python", version, f"Install a Python {wanted}, then: make install")
    return ok("Python", version)


def check_libraries(constraints: Path = _CONSTRAINTS) -> Check:
    """Whether the libraries are those that webtext asks for, and those it was tested with.

    Args:
        constraints: The tested versions; an installed wheel has none.
    """
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)", _read(constraints), re.MULTILINE))
    wrong, untested, num_right = [], [], 0
    for requirement in map(Requirement, importlib.metadata.requires("webtext") or ()):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = _version(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement} ({version or 'missing'})")
        # A build of torch says where it comes from: 2.13.0+cpu.
        elif version.partition("+")[0] != tested.get(requirement.name, version).partition("+")[0]:
            untested.append(f"{requirement.name} {version} (tested: {tested[requirement.name]})")
        else:
            num_right += 1
    if wrong:
        return fail("libraries", "wrong: " + ", ".join(wrong), _REINSTALL)
    if untested:
        return warn("libraries", ", ".join(untested), _REINSTALL)
    return ok("libraries", f"{num_right} as {'tested' if tested else 'asked for'}")


def check_disk(data: Path) -> Check:
    """Whether the disk of the data folder has room, and lets us write."""
    there = next(each for each in (data.absolute(), *data.absolute().parents) if each.is_dir())
    if not os.access(there, os.W_OK):
        return fail("disk", f"{there} cannot be written to", "Give another folder: --data DIR")
    free = shutil.disk_usage(there).free
    seen = f"{show_bytes(free)} free at {there}"
    remedy = "Make room, or give --data a folder on a larger disk; `webtext estimate` says how much"
    if free < _LEAST_BYTES:
        return fail("disk", seen, remedy)
    return ok("disk", seen) if free >= _ENOUGH_BYTES else warn("disk", seen, remedy)


def check_memory(workers: int) -> Check:
    """Whether the memory that is free does for a page of the worst kind in every worker."""
    free = _free_memory()
    seen = f"{workers} workers on {os.cpu_count()} cores, {show_bytes(free)} of memory free"
    if free < workers * _PAGE_BYTES:
        return warn(
            "memory", seen, f"A page may take a worker 1 GiB: --workers {max(1, free >> 30)}"
        )
    return ok("memory", seen)


def check_open_files() -> Check:
    """Whether a process may have as many files open as a crawl has connections."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit >= _OPEN_FILES or limit == resource.RLIM_INFINITY:
        return ok("open files", f"ulimit -n {limit:,}")
    remedy = f"ulimit -n {min(_OPEN_FILES, most)}, or lower crawl.concurrency"
    return warn("open files", f"ulimit -n {limit:,}: a crawl has 256 links in flight", remedy)


def check_gpus() -> Check:
    """Which GPUs torch sees."""
    import torch

    if torch.cuda.is_available():
        gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        return ok("GPUs", ", ".join(f"{gpu.name} {show_bytes(gpu.total_memory)}" for gpu in gpus))
    if Path("/proc/driver/nvidia").exists():
        return warn(
            "GPUs",
            f"there is an NVIDIA driver, but torch {torch.__version__} sees no GPU",
            "Install a CUDA build that suits the driver: make install TORCH_INDEX=URL",
        )
    return ok("GPUs", f"none: trainings take the CPU ({torch.get_num_threads()} threads)")


def _free_memory() -> int:
    found = re.search(r"^MemAvailable: +(\d+) kB", _read(Path("/proc/meminfo")), re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
