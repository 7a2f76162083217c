"""What is known of a benchmark's files: addresses, sums, sizes, and who reads them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """An address, and what is known of what it gives."""

    url: str
    num_bytes: int | None = None
    sha256: str | None = None
    """As published; None: nobody published one."""


@dataclass(frozen=True, slots=True)
class BenchmarkFile:
    """A file of a benchmarks folder, which has a subfolder per set."""

    path: str
    """`set/name`."""
    source: Source | None
    """None: only a person can get it, see `BenchmarkSet.by_hand`."""
    member: str | None = None
    """Its name in the archive that the source gives; None: the source gives the file itself."""
    tasks: tuple[str, ...] = ()
    """The evaluation tasks that read it; none: only overlap reports do."""
    num_examples: int | None = None
    """As its reader counts them: articles of WikiText, lines of PTB; None: not published."""
    num_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class BenchmarkSet:
    """The files of one subfolder."""

    name: str
    terms: str
    """Licence, or whose the texts are, in a few words."""
    files: tuple[BenchmarkFile, ...]
    by_hand: str = ""
    """Where a person gets what has no source."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where its files come from, each address once, in the order of the files."""
        urls = [file.source.url if file.source else self.by_hand for file in self.files]
        return tuple(dict.fromkeys(urls))

    def file(self, name: str) -> BenchmarkFile:
        """The file called `name`, or the set's first: other splits come from the same place."""
        return next((each for each in self.files if each.path.endswith(f"/{name}")), self.files[0])
