"""A clock that jumps for one process and its children: what a corrected or suspended machine does.

Only the time of day jumps. Sleeps and deadlines run on the monotonic clock, which does not.
"""

import shutil
import struct
import subprocess
from pathlib import Path

COMPILER = shutil.which("cc")
_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static const volatile long long *jump;

__attribute__((constructor)) static void open_jump(void) {
    int file = open(getenv("JUMP_FILE"), O_RDONLY);
    jump = mmap(0, sizeof *jump, PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (!result && jump && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *jump;
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (seconds) *seconds = exact.tv_sec;
    return exact.tv_sec;
}
"""


class JumpingClock:
    """What processes with its `environment` read from their clock."""

    def __init__(self, folder: Path) -> None:
        assert COMPILER
        self._jump, source, library = folder / "jump", folder / "clock.c", folder / "clock.so"
        self.jump(0)
        source.write_text(_SOURCE)
        compile_it = [COMPILER, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"]
        subprocess.run(compile_it, check=True)
        self.environment = {"LD_PRELOAD": str(library), "JUMP_FILE": str(self._jump)}

    def jump(self, seconds: int) -> None:
        """Set it so far from the true time; at once, also for processes that run."""
        with self._jump.open("r+b" if self._jump.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))
