"""Pages as a browser lays them out: on a wide and on a narrow screen, in light and in dark."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.html_reports import HOSTILE, study_report, timing_report, verify_report

pytest.importorskip("jinja2", reason="jinja2 is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

WIDTHS = (1280, 400)
LONG = "a_name_without_any_place_to_break_it_" * 5
#: Looks at each page in a frame of its own, whose width is that of a screen. The pages themselves stay as they are.
LOOK = """
const box = (element) => element.getBoundingClientRect();
const inside = (element) => element.closest(".scroll, pre") === null;
const luminance = (colour) => {
  const [r, g, b] = colour.match(/[0-9.]+/g).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
function look(frame) {
  const page = frame.contentDocument, view = frame.contentWindow;
  for (const folded of page.querySelectorAll("details")) folded.open = true;
  const width = page.documentElement.clientWidth;
  const charts = [...page.querySelectorAll("svg.chart")];
  const images = [...page.querySelectorAll("image")];
  const copies = [...document.querySelectorAll("img")].filter((one) => one.dataset.page === frame.dataset.page);
  const style = (element) => view.getComputedStyle(element);
  const card = style(page.querySelector(".subject")).backgroundColor;
  return {
    page: frame.dataset.page,
    width,
    scrolled: page.documentElement.scrollWidth,
    beyond: [...page.querySelectorAll("body *")].filter((one) => inside(one) && box(one).right > width + 0.5)
      .map((one) => one.outerHTML.slice(0, 90)),
    charts: charts.map((chart) => [box(chart).width, box(chart).height]),
    images: images.map((image, k) => [box(image).width, box(image).height, copies[k].naturalWidth]),
    cut: charts.flatMap((chart) => [...chart.querySelectorAll("text")].filter((text) =>
      box(text).left < box(chart).left - 2 || box(text).right > box(chart).right + 2 ||
      box(text).top < box(chart).top - 2 || box(text).bottom > box(chart).bottom + 2).map((text) => text.textContent)),
    smallest: Math.min(...charts.flatMap((chart) => [...chart.querySelectorAll("text")].map((text) =>
      parseFloat(style(text).fontSize) * box(chart).width / chart.viewBox.baseVal.width))),
    dark: luminance(style(page.body).backgroundColor) < 0.1,
    contrast: Math.min(...[...page.querySelectorAll(".subject dt, .subject dd, .subject p, .subject th, text, h1")]
      .map((one) => contrast(one.tagName === "text" ? style(one).fill : style(one).color, card))),
    scripts: page.scripts.length,
    marked: view.marked === undefined,
    text: page.body.innerText,
  };
}
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(look);
  document.getElementById("found").textContent = JSON.stringify(found);
});
"""


@cache
def pages() -> dict[str, str]:
    """Return the pages, with names that are hard to lay out, and one that is broken on purpose."""
    broken = "main { min-width: 90rem } .chart { width: 0 } .chart text { fill: var(--line) !important }"
    return {
        "verify": verify_report(LONG).to_html(),
        "hostile": verify_report(f"{HOSTILE}<img src=x onerror='marked=1'>").to_html(),
        "time": timing_report(LONG).to_html(),
        "study": study_report(LONG).to_html(),
        "broken": verify_report().to_html().replace("</style>", f"{broken}</style>").replace("base64,iVBO", "base64,"),
    }


def browse(folder: Path, scheme: int) -> list[dict[str, Any]]:
    """Return what the browser measured of every page at every width; a scheme of 0 is dark, of 1 light."""
    frames = []
    for name, page in pages().items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
        # An image of a picture does not tell whether it could be decoded; the same in an element of its own does.
        frames += [f'<img data-page="{name}" src="{link}">' for link in re.findall('xlink:href="(data:[^"]*)"', page)]
        for width in WIDTHS:
            style = f"width: {width}px; height: 4000px; border: 0; display: block"
            frames.append(f'<iframe data-page="{name}" src="{name}.html" style="{style}"></iframe>')
    look = f'<!DOCTYPE html><pre id="found"></pre>{"".join(frames)}<script>{LOOK}</script>'
    (folder / "look.html").write_text(look, encoding="utf-8")
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
        *(
            f"--user-data-dir={folder / 'profile'}",
            "--allow-file-access-from-files",
            "--window-size=1400,1000",
            "--hide-scrollbars",
        ),
        *(f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom"),
        (folder / "look.html").as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=True)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    assert found[1], done.stderr
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module", params=[0, 1], ids=["dark", "light"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what the browser saw in one colour scheme."""
    found = browse(tmp_path_factory.mktemp("browser"), request.param)
    assert [(one["page"], one["width"]) for one in found] == [(name, width) for name in pages() for width in WIDTHS]
    assert {one["dark"] for one in found} == {request.param == 0}
    return found


def test_pages_fit_the_screen_and_can_be_read(seen: list[dict[str, Any]]):
    for one in [one for one in seen if one["page"] != "broken"]:
        place = f"{one['page']} at {one['width']} px"
        assert one["scrolled"] <= one["width"], place
        assert one["beyond"] == [], place
        assert one["cut"] == [], place
        assert one["smallest"] >= 8.5, place
        assert one["contrast"] >= 4.5, place
        assert len(one["charts"]) == {"verify": 12, "hostile": 12, "time": 3, "study": 4}[one["page"]]
        assert min(min(sizes) for sizes in one["charts"]) > 60, place
        assert all(min(width, height) > 0 and pixels > 0 for width, height, pixels in one["images"]), place
        assert len(one["images"]) == (18 if one["page"] in ("verify", "hostile") else 0)
        assert one["scripts"] == 0
        assert one["marked"]
    assert HOSTILE in next(one["text"] for one in seen if one["page"] == "hostile")


def test_what_cannot_be_read_is_seen(seen: list[dict[str, Any]]):
    for one in [one for one in seen if one["page"] == "broken"]:
        assert one["scrolled"] > one["width"]
        assert one["beyond"]
        assert one["cut"]
        assert one["contrast"] < 4.5
        assert min(width for width, _ in one["charts"]) == 0
        assert {pixels for _, _, pixels in one["images"]} == {0}
