"""A variant's case beside its original's, as `variants` of run.json has it.

The file may come from anybody: what is read is checked, and numbers are finite.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

__all__ = ["Compared", "Side", "as_json", "read"]

_MOST = 1e300  # beyond it no figure of ours is, and arithmetic with it stays finite
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Figure = Annotated[float, msgspec.Meta(ge=-_MOST, le=_MOST)] | str  # NaN and infinities are text


class Side(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model's case; zero and None are "not known".

    Attributes:
        case: its name; empty where the cell has no such case.
        status: of the case; empty likewise.
        reason: why it was not run, or there is none.
        bytes: of the model's files.
        load: seconds.
        run: seconds, the median of the repeats; `low` and `high` the fastest and slowest.
        repeats: how many.
        peak_rss: bytes of the process at most.
        accuracy: share of rows with the right label.
    """

    case: str = ""
    status: str = ""
    reason: str = ""
    bytes: _Count = 0
    load: _Seconds = 0.0
    run: _Seconds = 0.0
    low: _Seconds = 0.0
    high: _Seconds = 0.0
    repeats: _Count = 0
    peak_rss: _Count = 0
    accuracy: _Share | None = None


class Compared(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A variant's case beside its original's.

    Attributes:
        cell: id.
        model: the variant.
        of: the original.
        variant, original: the two sides.
        speed: -1 the variant is faster, 1 slower, by more than the spread of both; 0 within it;
            None where nothing may be said.
        distance: see `distance.distance`; empty where the answers are not compared.
        not_compared: why they are not.
        limits: what the matrix allows.
        beyond: what is further away than that, in words.
    """

    cell: str
    model: str
    of: str
    variant: Side
    original: Side
    speed: int | None = None
    distance: dict[str, _Figure] = {}
    not_compared: str = ""
    limits: dict[str, Any] = {}
    beyond: list[str] = []


def as_json(each: Compared) -> dict[str, Any]:
    """As run.json has it."""
    found: dict[str, Any] = msgspec.to_builtins(each)
    return found


def read(data: Any) -> Compared:
    """Back from `as_json`.

    Raises:
        ValueError: with a phrase that says what is wrong.
    """
    try:
        return msgspec.convert(data, Compared)
    except msgspec.ValidationError as error:
        raise ValueError(f"a variant is not as a run writes it ({error})") from error
