"""Figures of matplotlib as SVG that stands in a page: its colours are those of the page, its text can be selected."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Points of text, which are pixels where a picture is as wide as it was drawn.
TEXT = 11.0
#: Colours that matplotlib is told, and what stands for them in the page, where light and dark differ.
INK, MUTED, LINE, SURFACE = "#010101", "#020202", "#030303", "#040404"
SERIES = ("#0a0001", "#0a0002", "#0a0003", "#0a0004", "#0a0005", "#0a0006")
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    SURFACE: "var(--surface)",
    **{colour: f"var(--series-{k})" for k, colour in enumerate(SERIES, 1)},
}
#: What matplotlib writes for viewers of single files; its style would be that of the whole page.
_SUPERFLUOUS = (
    re.compile(r"<metadata>.*?</metadata>", re.DOTALL),
    re.compile(r"<style.*?</style>", re.DOTALL),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"; font-family: [^;\"]*"),
    re.compile(r' transform="rotate\(-0 [^"]*\)"'),
    re.compile(r"<g/>"),
)
#: Stands for the place in the page in names that parts of a picture have, which are good for one page alone.
_HERE = "this-picture"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes
    ----------
    svg : str
        Markup of an ``svg`` element, with what it shows in words for those who cannot see it.
    title : str
        What stands above it.
    caption : str
        What it shows, in a sentence.
    """

    svg: str
    title: str
    caption: str = ""

    def at(self, place: str) -> str:
        """Return the markup for one place of a page, by whose name parts of the picture are told from others."""
        return self.svg.replace(f"{_HERE}-", f"{place}-")


def draw(width: float, height: float, words: str, paint: Callable[[Figure], None]) -> str:
    """Return what `paint` does with an empty figure, as an ``svg`` element.

    Parameters
    ----------
    width, height : float
        In pixels.
    words : str
        What can be seen in it; screen readers read this out.
    paint : callable
        Draws into the figure, with the colours of this module.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "font.size": TEXT,
        "svg.fonttype": "none",
        "svg.hashsalt": "gradcheck",
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": LINE,
        "axes.facecolor": "none",
        "axes.linewidth": 1.0,
        "xtick.color": LINE,
        "ytick.color": LINE,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
    }
    stream = io.StringIO()
    with mpl.rc_context():  # whatever the settings of this process are, now and afterwards
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        figure.patch.set_visible(False)
        paint(figure)
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _in_page(stream.getvalue(), width, height, words)


def decade(exponent: float) -> str:
    """Return a power of ten.

    Examples
    --------
    >>> decade(-12), decade(0), decade(1)
    ('10⁻¹²', '1', '10')
    """
    if exponent in (0, 1):
        return str(10 ** int(exponent))
    return "10" + f"{exponent:.0f}".translate(_SUPERSCRIPTS)


def logarithmic(axes: Axes, *, x: bool = True, y: bool = True) -> None:
    """Give axes logarithmic scales, with a few powers of ten along them and a quiet grid."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_axisbelow(True)
    for axis, scale, chosen in ((axes.xaxis, axes.set_xscale, x), (axes.yaxis, axes.set_yscale, y)):
        if chosen:
            scale("log")
            axis.set_major_locator(LogLocator(numticks=7))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
        axis.grid(color=LINE, linewidth=0.6)
        axis.set_tick_params(length=0, pad=5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def key(figure: Figure) -> None:
    """Say above the axes what is drawn how, in two columns."""
    style = {"frameon": False, "handlelength": 1.6, "columnspacing": 1.4, "borderaxespad": 0.0}
    figure.legend(loc="upper left", bbox_to_anchor=(0.02, 0.985), ncols=2, fontsize=TEXT, **style)


def _power(value: float) -> str:
    return decade(round(math.log10(value))) if value > 0 else ""


def _in_page(svg: str, width: float, height: float, words: str) -> str:
    """The drawing as an element of a page: with its colours and font; names begin with what stands for the place."""
    drawing = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    for superfluous in _SUPERFLUOUS:
        drawing = superfluous.sub("", drawing)
    drawing = re.sub(r"\s*\n\s*", " ", drawing).replace("> <", "><").replace("base64, ", "base64,")
    for colour, variable in _VARIABLES.items():
        drawing = drawing.replace(colour, variable)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', drawing))
    drawing = re.sub(r' id="([^"]+)"', lambda name: f' id="{_HERE}-{name[1]}"' if name[1] in used else "", drawing)
    drawing = re.sub(r'(url\(#|href="#)', rf"\g<1>{_HERE}-", drawing)
    described = html.escape(words)
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return f'<svg class="chart" {size} role="img" aria-label="{described}"><title>{described}</title>{drawing}</svg>'
