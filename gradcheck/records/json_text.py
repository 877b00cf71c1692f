"""JSON text: how every file of gradcheck is laid out, and what is read of a text that a stranger may have written."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from gradcheck.records.codec import NOT_FINITE

#: No record is nested deeper; a deeper text would end a reader that follows it.
_DEPTH = 50
#: No number of a record has more digits; one of more than three hundred fits no float.
_DIGITS = 100


def to_json(data: Any) -> str:
    """Return plain data as JSON text, indented for reading."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def parse_json(text: str) -> Any:
    """Return the data in JSON text.

    Raises
    ------
    ValueError
        If it is not valid JSON; the message says where.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant, parse_int=_whole_number)
        shallow = _is_shallow(data)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"expected JSON, got something else at {where} ({error.msg})") from None
    except RecursionError:
        shallow = False
    if not shallow:
        raise ValueError("expected JSON, got a text nested too deeply to be one of ours")
    return data


def _whole_number(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"expected JSON with numbers of ours, got one of {len(digits):,} digits")
    return int(digits)


def _is_shallow(data: object) -> bool:
    layer = [data]
    for _ in range(_DEPTH):
        inside = [one for one in layer if isinstance(one, dict | list)]
        if not inside:
            return True
        layer = [part for one in inside for part in (one.values() if isinstance(one, dict) else one)]
    return False


def _refuse_constant(constant: str) -> NoReturn:
    names = ", ".join(f'"{name}"' for name in NOT_FINITE)
    raise ValueError(f"expected JSON, which has no {constant}; a number that is not finite is one of {names}")
