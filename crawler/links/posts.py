"""A submission as Reddit names its fields, read from a line of JSON."""

import msgspec
import orjson


class Post(msgspec.Struct, gc=False):
    """Where a submission leads to, by itself or as the parent of a crosspost."""

    url: str | None = None
    url_overridden_by_dest: str | None = None
    """The outbound address where `url` is the submission's own page."""
    is_self: bool | None = None
    over_18: bool | None = None

    @property
    def outbound(self) -> str:
        """The address that the submission is about; "" if there is none."""
        return (self.url_overridden_by_dest or self.url or "").strip()


class Fate(msgspec.Struct, gc=False):
    """What Arctic Shift found when it looked again (`_meta`)."""

    was_deleted_later: bool | None = None


class Submission(Post, gc=False):
    """The fields of a submission that decide, named as Reddit names them; None: not given."""

    id: str | None = None
    score: int | None = None
    created_utc: int | None = None
    subreddit: str | None = None
    hide_score: bool | None = None
    promoted: bool | None = None
    is_created_from_ads_ui: bool | None = None
    removed_by_category: str | None = None
    crosspost_parent_list: list[Post] | None = None
    fate: Fate | None = msgspec.field(default=None, name="_meta")

    @property
    def target(self) -> Post:
        """The post whose address counts: a crosspost's is that of what it reposts."""
        parents = self.crosspost_parent_list
        return parents[0] if parents and parents[0].outbound else self


class Listed(Submission, gc=False):
    """A row of a table, which may know neither scores nor dates: then their rules do not apply."""

    has_scores: bool = True
    has_dates: bool = True


class Corrupt(msgspec.Struct, gc=False):
    """A line that is no submission at all."""

    detail: str


# Not strict: early dumps and tables write numbers as strings ("12") or floats (1120181161.0).
parse_plain = msgspec.json.Decoder(Submission, strict=False).decode
"""The submission on a line that is as Reddit wrote it: all but a few are."""

UNPLAIN = (msgspec.DecodeError, UnicodeDecodeError)
"""What `parse_plain` raises for other lines; `parse_odd` takes those."""


def parse_odd(line: bytes) -> Submission | Corrupt:
    """The submission on any line: fields of types that Reddit never gave them are passed over."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        return Corrupt(f"{exc}: {_start(line)}")
    if not isinstance(fields, dict):
        return Corrupt(f"no JSON object: {_start(line)}")
    return _salvage(fields)


def whole_number(value: object) -> int | None:
    """`value` as a number: 12, "12", 12.0; None where it is none."""
    try:
        return int(float(value)) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None


def _salvage(fields: dict) -> Submission:
    parents = fields.get("crosspost_parent_list")
    parent = parents[0] if isinstance(parents, list) and parents else None
    fate = fields.get("_meta")
    return Submission(
        **_post_fields(fields),
        id=_text(fields.get("id")),
        score=whole_number(fields.get("score")),
        created_utc=whole_number(fields.get("created_utc")),
        subreddit=_text(fields.get("subreddit")),
        hide_score=fields.get("hide_score") is True,
        promoted=fields.get("promoted") is True,
        is_created_from_ads_ui=fields.get("is_created_from_ads_ui") is True,
        removed_by_category=_text(fields.get("removed_by_category")),
        crosspost_parent_list=[Post(**_post_fields(parent))] if isinstance(parent, dict) else None,
        fate=Fate(fate.get("was_deleted_later") is True) if isinstance(fate, dict) else None,
    )


def _post_fields(fields: dict) -> dict:
    return {
        "url": _text(fields.get("url")),
        "url_overridden_by_dest": _text(fields.get("url_overridden_by_dest")),
        "is_self": fields.get("is_self") is True,
        "over_18": fields.get("over_18") is True,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _start(line: bytes) -> str:
    return line[:200].decode(errors="replace")
