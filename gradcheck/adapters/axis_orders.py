"""Arrays in somebody else's order of axes: converted on the way in and out, cotangents and gradients too."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.adapters.returned_values import as_tuple
from gradcheck.messages import did_you_mean
from gradcheck.subject import Array, Arrays, Pullback, Subject

#: The axes that gradcheck's kinds have, by the rank of the array.
_INPUTS = ("N", "NF", "NTF", "NCL", "NCHW", "NCDHW")
_WEIGHTS = ("OI", "OIL", "OIHW", "OIDHW")
_GROUPS = re.compile(r"\((\w+)\)|(\w)")
_WORD = re.compile(r"(?:[A-Z1]|\([A-Z]+\))+")


@dataclass(frozen=True)
class Layout:
    """How an array with named axes lies elsewhere.

    Attributes
    ----------
    canonical : str
        The axes as gradcheck's kinds order them, a letter each: ``"NCHW"``.
    word : str
        The axes there: a permutation, with letters dropped (axes of size 1), ``1`` for axes of size 1 that are
        added, and letters in parentheses for axes that are one axis there: ``"HWC"``, ``"1F"``, ``"O(IHW)"``.

    Raises
    ------
    ValueError
        If the word names an axis twice, or one that is not canonical.

    Examples
    --------
    >>> layout = Layout("NCHW", "NHWC")
    >>> layout.to_theirs(np.zeros((3, 2, 7, 6))).shape
    (3, 7, 6, 2)
    >>> layout.to_ours(np.zeros((3, 7, 6, 2)), (3, 2, 7, 6)).shape
    (3, 2, 7, 6)
    """

    canonical: str
    word: str

    def __post_init__(self) -> None:
        strangers = [letter for letter in self.letters if letter not in self.canonical]
        if strangers or len(set(self.letters)) < len(self.letters):
            raise ValueError(
                f"expected the axes of {self.canonical} in some order, each once (or dropped where its size is 1), "
                f"got layout={self.word!r}"
            )

    @classmethod
    def find(cls, name: str, word: str, ndim: int | None) -> Layout:
        """Return the layout that a word means for the array of that name.

        Parameters
        ----------
        name : str
        word : str
            May name the canonical axes itself: ``"IOHW->HWIO"``.
        ndim : int or None
            Rank of the canonical array; None for outputs, which are not known yet: the smallest that fits.

        Raises
        ------
        ValueError
            If the word means nothing for an array of that rank.
        """
        given, _, theirs = word.rpartition("->")
        if not _WORD.fullmatch(theirs) or (given and not given.isalpha()):
            raise ValueError(
                f"expected a layout of letters for axes, such as 'NHWC', '1F' or 'O(IHW)', got layouts={{{name!r}: "
                f"{word!r}}}"
            )
        letters = set(re.findall("[A-Z]", theirs))
        known = (given,) if given else _canonical(name, ndim, letters)
        fitting = [axes for axes in known if letters <= set(axes) and ndim in (None, len(axes))]
        if not fitting:
            ours = ", ".join(known) or f"{ndim} axes"
            raise ValueError(
                f"expected a layout of {name!r} with the axes of {ours}, got layouts={{{name!r}: {word!r}}}; "
                f"other axes can be named: layouts={{{name!r}: 'ABC->CAB'}}"
            )
        return cls(fitting[0], theirs)

    @property
    def groups(self) -> tuple[str, ...]:
        """The letters of each axis there; none for an axis of size 1."""
        return tuple((several or one).replace("1", "") for several, one in _GROUPS.findall(self.word))

    @property
    def letters(self) -> str:
        """The axes that are there, in their order."""
        return "".join(self.groups)

    def to_theirs(self, array: Array) -> Array:
        """Return a canonical array as it lies there: a view where there can be one.

        Raises
        ------
        ValueError
            If an axis that their layout does not have is longer than 1.
        """
        sizes = dict(zip(self.canonical, array.shape, strict=True))
        dropped = [letter for letter in self.canonical if letter not in self.letters]
        for letter in dropped:
            if sizes[letter] != 1:
                raise ValueError(
                    f"layout {self.word!r} has no axis {letter}, so that its size must be 1; got {letter}="
                    f"{sizes[letter]} in the shape {array.shape}, which is {self.canonical}"
                )
        order = [self.canonical.index(letter) for letter in (*dropped, *self.letters)]
        shape = [math.prod(sizes[letter] for letter in group) for group in self.groups]
        return array.transpose(order).reshape(shape)

    def to_ours(self, array: Array, shape: tuple[int, ...]) -> Array:
        """Return their array as a canonical one of the given shape: a view where there can be one.

        Raises
        ------
        ValueError
            If their array cannot be that.
        """
        sizes = dict(zip(self.canonical, shape, strict=True))
        expected = tuple(math.prod(sizes[letter] for letter in group) for group in self.groups)
        if array.shape != expected:
            raise ValueError(f"expected the shape {expected} in layout {self.word!r}, got {array.shape}")
        dropped = [letter for letter in self.canonical if letter not in self.letters]
        order = (*dropped, *self.letters)
        return array.reshape([sizes[letter] for letter in order]).transpose(
            [order.index(letter) for letter in self.canonical]
        )

    def shape_of(self, name: str, array: Array) -> tuple[int, ...]:
        """Return the canonical shape of their array, which must not have joined axes.

        Raises
        ------
        ValueError
            If the array has another number of axes, or the layout joins some.
        """
        if any(len(group) > 1 for group in self.groups):
            raise ValueError(
                f"expected a layout of {name!r} that joins no axes, since their sizes are not known, got {self.word!r}"
            )
        if array.ndim != len(self.groups):
            raise ValueError(
                f"expected {len(self.groups)} axes of {name!r}, as in layout {self.word!r}, got shape={array.shape}"
            )
        sizes = dict(zip(self.groups, array.shape, strict=True))
        return tuple(sizes.get(letter, 1) for letter in self.canonical)


def _canonical(name: str, ndim: int | None, letters: set[str]) -> tuple[str, ...]:
    """Return the canonical axes that an array of that name may have."""
    if ndim == 1:
        return ("".join(letters),) if len(letters) == 1 else ("F",)
    known = _WEIGHTS if name == "weight" else _INPUTS
    return tuple(axes for axes in known if ndim in (None, len(axes)))


def in_layout(primals: Arrays, layouts: Mapping[str, Any], adapt_theirs: Callable[[Arrays], Subject]) -> Subject:
    """Return the subject of a layer whose arrays have their axes in another order.

    Parameters
    ----------
    primals : mapping of str to ndarray
        As gradcheck's kinds have them: x is NCHW (NCL, NCDHW, NF, NTF), a weight OIHW (OIL, OIDHW, OI).
    layouts : mapping of str to str
        For each array that lies otherwise, a word: a permutation of its axes (``"NHWC"``, ``"HWIO"``, ``"FN"``),
        letters dropped where the size is 1 (``"HWC"``: a single image), ``1`` for axes of size 1 (``"1F"``), letters
        in parentheses for axes that are one (``"O(IHW)"``). The output is ``"y"``; several are a tuple of words.
        Axes of other names are written in full: ``"IOHW->HWIO"``.
    adapt_theirs : callable
        ``adapt_theirs(primals)`` returns the subject of the layer at the primals in its own layout.

    Returns
    -------
    Subject
        With `primals`: what goes in is converted, outputs and gradients are converted back.

    Raises
    ------
    ValueError
        If a word is none, names no array, or drops an axis that is longer than 1.

    Notes
    -----
    Arrays that are C-ordered here are C-ordered there. What a layer writes into its arguments is written into those
    of the caller, so that it is seen.

    Examples
    --------
    >>> import gradcheck
    >>> def features_first(primals):
    ...     x, w = primals["x"], primals["weight"]
    ...     return w.T @ x, lambda g: {"x": w @ g, "weight": x @ g.T}
    >>> primals = {"x": np.random.default_rng(0).normal(size=(3, 4)), "weight": np.eye(2, 4) + 1}
    >>> subject = in_layout(
    ...     primals,
    ...     {"x": "FN", "weight": "IO", "y": "FN"},
    ...     lambda theirs: gradcheck.Subject("dense", theirs, features_first),
    ... )
    >>> gradcheck.check(subject).passed
    True
    """
    words = {name: word for name, word in layouts.items() if name != "y"}
    for name, word in words.items():
        if name not in primals:
            known = [*primals, "y"]
            raise ValueError(
                f"expected layouts of {', '.join(map(repr, known))}, got one of {name!r}{did_you_mean(name, known)}"
            )
        if not isinstance(word, str):
            raise TypeError(f"expected a layout to be a str, got layouts={{{name!r}: {word!r}}}")
    boundary = _Boundary(
        primals={name: Layout.find(name, word, np.ndim(primals[name])) for name, word in words.items()},
        outputs=_of_outputs(layouts),
    )
    subject = adapt_theirs(boundary.inwards(primals))

    def vjp(arrays: Arrays) -> tuple[Any, Pullback]:
        theirs = boundary.inwards(arrays)
        outputs, their_pullback = subject.vjp(theirs)
        boundary.settle(theirs, arrays)
        returned = boundary.outwards(outputs)

        def pullback(cotangents: Any) -> Arrays:
            given = boundary.cotangents(cotangents)
            gradients = their_pullback(given)
            boundary.settle(theirs, arrays)
            boundary.settle_cotangents(given, cotangents)
            return boundary.gradients(gradients, arrays)

        return returned, pullback

    def converted(forward: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(arrays: Arrays) -> Any:
            theirs = boundary.inwards(arrays)
            outputs = forward(theirs)
            boundary.settle(theirs, arrays)
            return boundary.outwards(outputs)

        return run

    return replace(
        subject,
        primals=primals,
        vjp=vjp,
        forward=subject.forward and converted(subject.forward),
        other_mode=subject.other_mode and converted(subject.other_mode),
    )


def _of_outputs(layouts: Mapping[str, Any]) -> tuple[Layout, ...]:
    words = layouts.get("y", ())
    return tuple(Layout.find("y", word, None) for word in ((words,) if isinstance(words, str) else words))


@dataclass(frozen=True, kw_only=True)
class _Boundary:
    """Where arrays pass from one layout to the other.

    Attributes
    ----------
    primals : dict of str to Layout
    outputs : tuple of Layout
        One for all outputs, or one for each; none where they need no conversion.
    """

    primals: dict[str, Layout]
    outputs: tuple[Layout, ...]

    def inwards(self, arrays: Arrays) -> dict[str, Array]:
        """Return primals as they lie there."""
        return {
            name: _alike(self.primals[name].to_theirs(array), array) if name in self.primals else array
            for name, array in arrays.items()
        }

    def settle(self, theirs: Arrays, ours: Arrays) -> None:
        """Write what was written into their primals into ours."""
        for name, layout in self.primals.items():
            _write_back(layout, theirs[name], ours[name])

    def gradients(self, gradients: Arrays, primals: Arrays) -> Arrays:
        """Return gradients as they lie here; one of a wrong shape stays as it is, for the check to blame."""
        return {name: self._gradient(name, array, primals) for name, array in gradients.items()}

    def _gradient(self, name: str, gradient: Any, primals: Arrays) -> Any:
        if name not in self.primals or not isinstance(gradient, np.ndarray):
            return gradient
        try:
            return self.primals[name].to_ours(gradient, primals[name].shape)
        except ValueError:
            return gradient

    def outwards(self, outputs: Any) -> Any:
        """Return outputs as they lie here."""
        return self._each(_output_to_ours, outputs)

    def cotangents(self, cotangents: Any) -> Any:
        """Return cotangents as they lie there."""
        return self._each(lambda layout, array: _alike(layout.to_theirs(array), array), cotangents)

    def settle_cotangents(self, theirs: Any, ours: Any) -> None:
        """Write what was written into their cotangents into ours."""
        written = iter(as_tuple(theirs))
        self._each(lambda layout, our: _write_back(layout, next(written), our), ours)

    def _each(self, convert: Callable[[Layout, Any], Any], outputs: Any) -> Any:
        """Return each output, or cotangent, converted."""
        if not self.outputs:
            return outputs
        arrays = as_tuple(outputs)
        if len(self.outputs) not in (1, len(arrays)):
            raise ValueError(f"expected a layout for each of {len(arrays)} outputs, got {len(self.outputs)}")
        layouts = self.outputs * len(arrays) if len(self.outputs) == 1 else self.outputs
        converted = tuple(map(convert, layouts, arrays))
        return converted if isinstance(outputs, tuple) else converted[0]


def _output_to_ours(layout: Layout, output: Any) -> Array:
    array = np.asarray(output)
    return layout.to_ours(array, layout.shape_of("y", array))


def _alike(view: Array, original: Array) -> Array:
    """Return a view of an array in C order if the array is; what cannot be written to stays so."""
    if not original.flags.c_contiguous or view.flags.c_contiguous:
        return view
    copy = np.ascontiguousarray(view)
    copy.flags.writeable = original.flags.writeable
    return copy


def _write_back(layout: Layout, theirs: Array, ours: Array) -> None:
    if np.shares_memory(theirs, ours):
        return
    converted = layout.to_ours(theirs, ours.shape)
    if not np.array_equal(converted, ours, equal_nan=True):
        ours[...] = converted
