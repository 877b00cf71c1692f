"""A report as JSON, and back: schema 1, described in ``schema.json`` beside this file.

JSON has no numbers that are not finite. They are written as the strings ``"nan"``, ``"inf"`` and ``"-inf"``, since a
gradient of NaN is evidence that ``null`` would lose; ``null`` says that a value does not exist.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NoReturn, TypeAlias

import numpy as np

from gradcheck.messages import did_you_mean
from gradcheck.records.report import VERDICTS, CaseId, Evaluations, Failure, GradientPicture, Report, SubjectReport

SCHEMA = 1

#: Nothing of ours is nested deeper; what is would end a reader that follows it.
_DEPTH = 50
#: No number of ours has more digits; one of more than three hundred is none that fits a float.
_DIGITS = 100
_OUTCOMES = ("caught", "survived", "not applicable")
_NOT_FINITE = ("nan", "inf", "-inf")
_Reader: TypeAlias = Callable[[object, str], Any]


def report_to_json(report: Report) -> str:
    """Return a report as JSON text, indented for reading."""
    return json.dumps(report_to_dict(report), indent=2, ensure_ascii=False, allow_nan=False)


def report_to_dict(report: Report) -> dict[str, Any]:
    """Return a report as plain data: what `json.dumps` takes without help.

    Examples
    --------
    >>> data = report_to_dict(Report(7, (SubjectReport("relu", resolution=float("inf")),)))
    >>> data["schema"], data["seed"], data["subjects"][0]["resolution"]
    (1, 7, 'inf')
    """
    from gradcheck.version import __version__

    return {
        "schema": SCHEMA,
        "gradcheck": __version__,
        "seed": int(report.seed),
        "subjects": [_subject_to_dict(subject) for subject in report.subjects],
    }


def report_from_json(text: str) -> Report:
    """Return the report that JSON text holds.

    Sequences become tuples, as in a report that was never written.

    Raises
    ------
    ValueError
        If `text` is not JSON or not of schema 1; the message names the path, what was expected there and what came.
    """
    data = parse_json(text)
    if isinstance(data, dict) and "schema" in data:  # another schema explains every other difference
        _schema(data["schema"], "$.schema")
    top = read_fields(data, "$", _REPORT)
    return Report(top["seed"], top["subjects"])


def case_from_dict(value: object) -> CaseId:
    """Return the case that plain data describe, as `case_to_dict` writes it.

    Raises
    ------
    ValueError
        If a field is missing, unknown or of the wrong type; the message names its path.
    """
    return CaseId(**read_fields(value, "$", _CASE))


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


def _subject_to_dict(subject: SubjectReport) -> dict[str, Any]:
    return {
        "name": subject.name,
        "kind": subject.kind,
        "verdict": subject.verdict,
        "cases": int(subject.cases),
        "seconds": _plain(subject.seconds),
        "evaluations": _evaluations_to_dict(subject.evaluations),
        "resolution": _plain(subject.resolution),
        "masked": _plain(subject.masked),
        "conditions": {name: int(count) for name, count in subject.conditions.items()},
        "failures": [_failure_to_dict(failure) for failure in subject.failures],
        "notes": list(subject.notes),
        "vacuous": list(subject.vacuous),
        "checks": {name: _evaluations_to_dict(spent) for name, spent in subject.checks.items()},
        "limits": list(subject.limits),
        "without": dict(subject.without),
        "canaries": dict(subject.canaries),
    }


def _evaluations_to_dict(spent: Evaluations) -> dict[str, int]:
    return {"forward": int(spent.forward), "pullback": int(spent.pullback)}


def _failure_to_dict(failure: Failure) -> dict[str, Any]:
    return {
        "check": failure.check,
        "case": case_to_dict(failure.case),
        "primal": failure.primal,
        "index": _plain(failure.index),
        "analytic": _plain(failure.analytic),
        "numeric": _plain(failure.numeric),
        "error_bar": _plain(failure.error_bar),
        "wrong_entries": _plain(failure.wrong_entries),
        "entries": _plain(failure.entries),
        "sampled": bool(failure.sampled),
        "cause": failure.cause,
        "explanation": failure.explanation,
        "reproduce": failure.reproduce,
        **({} if failure.picture is None else {"picture": _plain(asdict(failure.picture))}),
    }


def case_to_dict(case: CaseId) -> dict[str, Any]:
    """Return a case as plain data: what ``gradcheck replay`` takes."""
    return {"kind": case.kind, "config": _plain(case.config), "regime": case.regime, "seed": int(case.seed)}


def subject_to_dict(subject: SubjectReport) -> dict[str, Any]:
    """Return what is known of one subject as plain data."""
    return _subject_to_dict(subject)


def subject_from_dict(value: object, path: str = "$") -> SubjectReport:
    """Return what is known of one subject, as `subject_to_dict` writes it.

    Raises
    ------
    ValueError
        If a field is missing, unknown or of the wrong type; the message names its path.
    """
    return _subject(value, path)


def _plain(value: Any) -> Any:
    """Data of NumPy and Python as data of JSON; what JSON has no form for is written as its repr."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return repr(value)


# Readers: each takes a value and its path, returns what the report holds, and refuses in one sentence.


def read_fields(value: object, path: str, readers: Mapping[str, _Reader]) -> dict[str, Any]:
    """Return the fields of an object, which must be those that there are readers for."""
    if not isinstance(value, dict):
        _refuse(path, "an object", value)
    for name in readers:
        if name not in value:
            raise ValueError(f"expected {path} to have the field {name!r}, got {', '.join(value) or 'no field'}")
    for name in value:
        if name not in readers:
            known = ", ".join(readers)
            raise ValueError(f"expected in {path} only the fields {known}, got {name!r}{did_you_mean(name, readers)}")
    return {name: read(value[name], f"{path}.{name}") for name, read in readers.items()}


def _schema(value: object, path: str) -> int:
    if value != SCHEMA or isinstance(value, bool):
        _refuse(path, f"{SCHEMA}, the only schema that this version reads", value)
    return SCHEMA


def read_text(value: object, path: str) -> str:
    """Return a string."""
    if not isinstance(value, str):
        _refuse(path, "a string", value)
    return value


def _outcome(value: object, path: str) -> str:
    if value not in _OUTCOMES:
        _refuse(path, f"one of {', '.join(_OUTCOMES)}", value)
    return str(value)


def read_flag(value: object, path: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        _refuse(path, "true or false", value)
    return value


def read_count(value: object, path: str) -> int:
    """Return a whole number from 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        _refuse(path, "a whole number from 0", value)
    return value


def _number(value: object, path: str) -> float:
    if isinstance(value, bool) or not (isinstance(value, int | float) or value in _NOT_FINITE):
        _refuse(path, f"a number or one of {', '.join(_NOT_FINITE)}", value)
    return float(value)  # the three strings are Python's own names of these numbers


def _duration(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        _refuse(path, "a number from 0", value)
    return float(value)


def _share(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        _refuse(path, "a number from 0 to 1", value)
    return float(value)


def _verdict(value: object, path: str) -> str:
    if value not in VERDICTS:
        _refuse(path, f"one of {', '.join(VERDICTS)}", value)
    return str(value)


def _data(value: object, path: str) -> Any:
    """The values of a configuration, with tuples for sequences and numbers for the names of those not finite."""
    if isinstance(value, dict):
        return {name: _data(item, f"{path}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return tuple(_data(item, f"{path}[{i}]") for i, item in enumerate(value))
    return float(value) if isinstance(value, str) and value in _NOT_FINITE else value


def _mapping(read: _Reader) -> _Reader:
    def reader(value: object, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            _refuse(path, "an object", value)
        return {name: read(item, f"{path}.{name}") for name, item in value.items()}

    return reader


def _tuple_of(read: _Reader) -> _Reader:
    def reader(value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            _refuse(path, "an array", value)
        return tuple(read(item, f"{path}[{i}]") for i, item in enumerate(value))

    return reader


def read_texts(value: object, path: str) -> tuple[str, ...]:
    """Return an array of strings."""
    texts: tuple[str, ...] = _tuple_of(read_text)(value, path)
    return texts


def _optional(read: _Reader) -> _Reader:
    return lambda value, path: None if value is None else read(value, path)


def _refuse(path: str, expected: str, value: object) -> NoReturn:
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    raise ValueError(f"expected {path} to be {expected}, got {shown}")


def _refuse_constant(constant: str) -> NoReturn:
    names = ", ".join(f'"{name}"' for name in _NOT_FINITE)
    raise ValueError(f"expected JSON, which has no {constant}; a number that is not finite is one of {names}")


_CASE: dict[str, _Reader] = {
    "kind": _optional(read_text),
    "config": _mapping(_data),
    "regime": _optional(read_text),
    "seed": read_count,
}
_PICTURE: dict[str, _Reader] = {
    "shape": _tuple_of(read_count),
    "axes": _tuple_of(read_count),
    "corner": _tuple_of(read_count),
    "analytic": _tuple_of(_tuple_of(_number)),
    "numeric": _tuple_of(_tuple_of(_number)),
    "error_bar": _tuple_of(_tuple_of(_number)),
    "steps": _tuple_of(_number),
    "differences": _tuple_of(_number),
}
_FAILURE: dict[str, _Reader] = {
    "check": read_text,
    "case": lambda value, path: CaseId(**read_fields(value, path, _CASE)),
    "primal": _optional(read_text),
    "index": _optional(_tuple_of(read_count)),
    "analytic": _optional(_number),
    "numeric": _optional(_number),
    "error_bar": _optional(_number),
    "wrong_entries": _optional(read_count),
    "entries": _optional(read_count),
    "sampled": read_flag,
    "cause": _optional(read_text),
    "explanation": read_text,
    "reproduce": read_text,
    "picture": _optional(lambda value, path: GradientPicture(**read_fields(value, path, _PICTURE))),
}
_EVALUATIONS: dict[str, _Reader] = {"forward": read_count, "pullback": read_count}


def _evaluations(value: object, path: str) -> Evaluations:
    return Evaluations(**read_fields(value, path, _EVALUATIONS))


_SUBJECT: dict[str, _Reader] = {
    "name": read_text,
    "kind": _optional(read_text),
    "verdict": _verdict,
    "cases": read_count,
    "seconds": _duration,
    "evaluations": _evaluations,
    "resolution": _optional(_number),
    "masked": _share,
    "conditions": _mapping(read_count),
    "failures": _tuple_of(lambda value, path: _failure(value, path)),
    "notes": read_texts,
    "vacuous": read_texts,
    "checks": _mapping(_evaluations),
    "limits": read_texts,
    "without": _mapping(read_text),
    "canaries": _mapping(_outcome),
}


def _failure(value: object, path: str) -> Failure:
    # Only failures of runs that were asked for pictures have that field.
    complete = {"picture": None, **value} if isinstance(value, dict) else value
    return Failure(**read_fields(complete, path, _FAILURE))


def _subject(value: object, path: str) -> SubjectReport:
    # Reports of schema 1 that were written before there were canaries have no such field.
    complete = {"canaries": {}, **value} if isinstance(value, dict) else value
    return SubjectReport(**read_fields(complete, path, _SUBJECT))


_REPORT: dict[str, _Reader] = {
    "schema": _schema,
    "gradcheck": read_text,
    "seed": read_count,
    "subjects": _tuple_of(_subject),
}
