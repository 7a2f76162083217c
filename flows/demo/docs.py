"""Articles for the demo's web: the documentation inside the Python packages beside us.

Docstrings are read with `ast` and READMEs from the package metadata; nothing is imported or run.
"""

import ast
import csv
import inspect
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from email import message_from_string
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Literal

_NOT_DOCUMENTATION = {"test", "tests", "testing", "_vendor", "vendor", "vendored", "site-packages"}
_MAX_ARTICLE_CHARS = 20_000

_UNDERLINE = re.compile(r"([=\-~^\"'#*+`.])\1{2,}")
_BULLET = re.compile(r"(?:[-*+•]|\d{1,2}[.)])\s+")
_MARKUP = re.compile(r"<!--.*?-->|<[^<>\n]{1,400}>|!\[[^\]]*\]\([^)]*\)", re.S)
_EMPTY_LINK = re.compile(r"\[\s*\]\([^)]*\)")
_FIELD = re.compile(r":(?:param|type|arg|raises?|returns?|rtype|keyword|var|ivar)\b *([^:]*):\s*")
_FOOTNOTE = re.compile(r"(\[[\w#]+\])_\b|(?<!\w)\*(\w[^*\n]*)\*(?!\w)")
_MARKDOWN_LINK = re.compile(r"\[([^\]\[]+)\]\([^)\s]+\)")
_RST_LINK = re.compile(r"`([^`<>]+?)\s*<[^<>]+>`__?")
_ROLE = re.compile(r":[a-z:+-]+:`[~!]?([^`<]+?)(?:\s*<[^>]*>)?`")
_DIRECTIVE = re.compile(r"\.\. ?([\w:-]*)(?:::)?")
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_PROSE_DIRECTIVES = {"note", "warning", "tip", "important", "seealso", "versionadded", "deprecated"}


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph or something like it; a list has one line per item."""

    kind: Literal["heading", "paragraph", "list", "code"]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What is said about one class or function, or about the whole."""

    heading: str
    signature: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Article:
    """The documentation of one module, or a package's README."""

    package: str
    version: str
    name: str
    sections: tuple[Section, ...]

    @property
    def num_words(self) -> int:
        """Words in paragraphs and lists: prose, without headings and code."""
        prose = (b for s in self.sections for b in s.blocks if b.kind in {"paragraph", "list"})
        return sum(len(line.split()) for block in prose for line in block.lines)


@dataclass(frozen=True, slots=True)
class Source:
    """A place where an article may be: a module's file, or a README (no file: its text)."""

    package: str
    version: str
    name: str
    file: Path | None
    readme: str
    num_bytes: int
    """Size of the file or of the README."""


def find_sources(folders: Iterable[Path]) -> list[Source]:
    """Every module and README of the distributions installed in `folders`, sorted by name."""
    seen: set[str] = set()  # some distributions list each other's files
    found = find_distributions(folders).items()
    return [source for name, distribution in found for source in _sources(name, distribution, seen)]


def find_distributions(folders: Iterable[Path]) -> dict[str, Distribution]:
    """The distributions installed in `folders` by name, in order, without ourselves."""
    found: dict[str, Distribution] = {}
    for distribution in distributions(path=[str(folder) for folder in folders]):
        name = re.sub(r"[-_.]+", "-", distribution.name or "").lower()
        if name and name != "webtext":
            found.setdefault(name, distribution)
    return dict(sorted(found.items()))


def count_doc_bytes(source: Source) -> int:
    """About how much documentation there is, at the speed of reading: triple-quoted text."""
    if source.file is None:
        return source.num_bytes
    try:
        return sum(map(len, source.file.read_bytes().split(b'"""')[1::2]))
    except OSError:
        return 0


def read_article(source: Source) -> Article | None:
    """The documentation at `source`; None: it cannot be read or parsed."""
    if source.file is None:
        sections = _readme_sections(source.name, source.readme)
    else:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # other people's escape sequences
                tree = ast.parse(source.file.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        sections = _module_sections(source.name, tree)
    return Article(source.package, source.version, source.name, tuple(_up_to_limit(sections)))


def to_blocks(text: str) -> list[Block]:
    """Split a docstring or README into blocks; knows the common ways to write either."""
    blocks: list[Block] = []
    for group in _groups(inspect.cleandoc(text)):
        blocks += _group_to_blocks(group, blocks[-1] if blocks else None)
    return [_finished(block) for block in blocks if any(line.strip() for line in block.lines)]


def _finished(block: Block) -> Block:
    # "::" announces code to the renderer; a reader sees one colon.
    announces = block.kind != "code" and block.lines[-1].endswith("::")
    return replace(block, lines=(*block.lines[:-1], block.lines[-1][:-1])) if announces else block


def _sources(name: str, distribution: Distribution, seen: set[str]) -> Iterator[Source]:
    # The file itself: `distribution.metadata` keeps the README elsewhere as soon as anything
    # has imported the importlib_metadata backport.
    metadata = message_from_string(distribution.read_text("METADATA") or "")
    version, readme = metadata["Version"] or "", str(metadata.get_payload())
    yield Source(name, version, "README", None, readme, len(readme))
    names = {"README"}  # a file may lie beside a folder of its name
    # RECORD itself, because `distribution.files` asks the disk about each of 70,000 files.
    for row in sorted(csv.reader((distribution.read_text("RECORD") or "").splitlines())):
        path, size = row[0], int(row[2] or 0) if len(row) == 3 else 0
        inside = not path.startswith(("/", "..")) and "/../" not in path
        if path.endswith(".py") and inside and path not in seen:
            seen.add(path)
            module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            if module not in names and not _NOT_DOCUMENTATION & set(path.split("/")):
                names.add(module)
                file = Path(str(distribution.locate_file(path)))
                yield Source(name, version, module, file, "", size)


def _module_sections(name: str, tree: ast.Module) -> Iterator[Section]:
    yield Section("", "", tuple(to_blocks(ast.get_docstring(tree) or "")))
    for node in tree.body:
        if isinstance(node, _DEFINITIONS) and not node.name.startswith("_"):
            yield from _definition_sections(name, node, "")


def _definition_sections(
    module: str, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, owner: str
) -> Iterator[Section]:
    heading = f"{owner}{node.name}"
    if text := ast.get_docstring(node):
        arguments = "" if isinstance(node, ast.ClassDef) else f"({ast.unparse(node.args)})"
        yield Section(heading, f"{module}.{heading}{arguments}", tuple(to_blocks(text)))
    for inner in node.body if isinstance(node, ast.ClassDef) else ():
        if isinstance(inner, _DEFINITIONS) and not inner.name.startswith("_"):
            yield from _definition_sections(module, inner, f"{heading}.")


def _readme_sections(name: str, readme: str) -> Iterator[Section]:
    heading, blocks = "", []
    for block in to_blocks(_EMPTY_LINK.sub("", _MARKUP.sub("", readme))):
        if block.kind == "heading":
            yield Section(heading, "", tuple(blocks))
            heading, blocks = block.lines[0], []
        else:
            blocks.append(block)
    yield Section(heading or name, "", tuple(blocks))


def _up_to_limit(sections: Iterable[Section]) -> Iterator[Section]:
    num_chars = 0
    for section in sections:
        num_chars += sum(len(line) for block in section.blocks for line in block.lines)
        if num_chars > _MAX_ARTICLE_CHARS:
            return
        if section.blocks:
            yield section


def _groups(text: str) -> Iterator[list[str]]:
    """Runs of lines between blank lines; a fenced code block is one run."""
    group: list[str] = []
    fenced = False
    for line in text.splitlines():
        fence = line.lstrip().startswith("```")
        if (not line.strip() and not fenced) or (fence and not fenced):
            yield from [group] if group else []
            group = []
        if line.strip() or fenced:
            group.append(line.rstrip())
        fenced = fenced != fence
    if group:
        yield group


def _group_to_blocks(group: list[str], before: Block | None) -> Iterator[Block]:
    first = group[0].strip()
    if first.startswith("```"):
        yield Block("code", tuple(line for line in group if "```" not in line))
    elif first.startswith((">>>", "$ ", "|", "+--")) or _is_literal(group, before):
        yield Block("code", tuple(textwrap.dedent("\n".join(group)).splitlines()))
    elif first.startswith(".."):
        yield from _directive_blocks(group)
    elif len(group) > 1 and _UNDERLINE.fullmatch(group[1].strip()):
        yield Block("heading", (_inline(first),))
        yield from _group_to_blocks(group[2:], None) if group[2:] else ()
    elif first.startswith("#") or (first.endswith(":") and len(first.split()) <= 2 and group[1:]):
        yield Block("heading", (_inline(first.strip("#: ")),))
        yield from _group_to_blocks(group[1:], None) if group[1:] else ()
    elif not _UNDERLINE.fullmatch(first):
        yield from _text_blocks(textwrap.dedent("\n".join(group)).splitlines())


def _is_literal(group: list[str], before: Block | None) -> bool:
    """Whether a group is indented under code, or under a paragraph that ends in '::'."""
    announced = before is not None and (before.kind == "code" or before.lines[-1].endswith("::"))
    return announced and all(line.startswith(" ") for line in group)


def _directive_blocks(group: list[str]) -> Iterator[Block]:
    match = _DIRECTIVE.match(group[0].strip())
    if match and match[1].rstrip(":") in _PROSE_DIRECTIVES:
        rest = [group[0].strip()[match.end() :].lstrip(": "), *group[1:]]
        yield from _text_blocks([line.strip() for line in rest if line.strip()])
    else:  # its content, mostly code, may follow after a blank line
        yield Block("code", tuple(textwrap.dedent("\n".join(group[1:])).splitlines()) or ("",))


def _text_blocks(lines: list[str]) -> Iterator[Block]:
    """Paragraphs, lists, and the "name : type" lists of parameters (a line, then indented ones)."""
    lines = [_FIELD.sub(r"- \1: ", line) if line.startswith(":") else line for line in lines]
    is_list = bool(lines) and bool(_BULLET.match(lines[0]))
    is_definitions = len(lines) > 1 and lines[1].startswith("  ") and not is_list
    if not (is_list or is_definitions):
        if lines:
            yield Block("paragraph", (_inline(" ".join(line.strip() for line in lines)),))
        return
    items: list[list[str]] = []
    for line in lines:
        starts_item = not line.startswith(" ") and (is_definitions or _BULLET.match(line))
        if starts_item or not items:
            items.append([])
        items[-1].append(_BULLET.sub("", line.strip()) if starts_item else line.strip())
    if is_definitions:
        items = [[f"{item[0].rstrip(':')}:", *item[1:]] if item[1:] else item for item in items]
    yield Block("list", tuple(_inline(" ".join(item)) for item in items))


def _inline(text: str) -> str:
    """Plain words: links and roles become what a reader sees of them; ``code`` keeps its marks."""
    for pattern in (_MARKDOWN_LINK, _RST_LINK, _ROLE):
        text = pattern.sub(r"\1", text)
    text = _FOOTNOTE.sub(r"\1\2", text.replace("**", ""))
    return text.replace("``", "`").strip()
