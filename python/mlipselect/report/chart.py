"""Curves and bars as SVG and HTML that are part of a page; colours are those of its style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from mlipselect.report.shares import Shares
from mlipselect.utils.told import told_number

WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 12, 40
#: Points of a curve that are drawn, at most.
MOST_POINTS = 400


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes
    ----------
    name : str
        Its name in the legend.
    x, y : ndarray of shape (n,)
        Its points.
    color : int
        Number of its colour.
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    color: int


def ticks(low: float, high: float, most: int = 6, *, whole: bool = False) -> list[float]:
    """Return round numbers from `low` to `high`, at equal steps; whole ones where things are counted."""
    if not high > low:
        return [low]
    step = 10.0 ** np.floor(np.log10((high - low) / most))
    step = next(step * k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= most)
    step = max(step, 1.0) if whole else step
    first = np.ceil(low / step - 1e-9)
    return [float(step * k) + 0.0 for k in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten from `low` to `high`, with twice and five times each where there are few."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for factors in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        inside = [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(inside) >= 3:
            return inside
    return inside if len(inside) > 1 else [low, high]


def curves(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    *,
    is_log: bool = False,
    counts: bool = False,
    mark: tuple[float, str] | None = None,
) -> str:
    """Draw curves over one axis.

    Parameters
    ----------
    series : sequence of Series
        The curves; values that are not finite, or not positive on a logarithmic axis, are left out.
    x_label, y_label : str
        What the axes are.
    is_log : bool, default=False
        A logarithmic axis of the values.
    counts : bool, default=False
        Whether the axis below counts something, so that only whole numbers are on it.
    mark : (float, str), optional
        A vertical line, and what it says.

    Returns
    -------
    str
        A ``figure`` element.
    """
    shown = [_thinned(one, is_log) for one in series]
    xs, ys = (np.concatenate([getattr(one, axis) for one in shown]) for axis in ("x", "y"))
    if not len(xs):
        return ""
    x0, x1 = float(xs.min()), max(float(xs.max()), float(xs.min()) + 1e-12)
    y0, y1 = float(ys.min()), float(ys.max())
    if not is_log:
        y0 = min(y0, 0.0)
    if y1 - y0 <= 1e-9 * max(abs(y0), abs(y1)):
        y0, y1 = (y0 / 2 or 0.5, y1 * 2 or 1.0) if is_log else (min(y0, 0.0), y1 or 1.0)

    def px(value: float) -> float:
        return LEFT + (value - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def py(value: float) -> float:
        part = np.log(value / y0) / np.log(y1 / y0) if is_log else (value - y0) / (y1 - y0)
        return float(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM))

    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="chart" role="img" aria-label="{escape(y_label)}">']
    for value in log_ticks(y0, y1) if is_log else ticks(y0, y1):
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py(value):.1f}" y2="{py(value):.1f}"/>')
        out.append(f'<text x="{LEFT - 5}" y="{py(value) + 4:.1f}" text-anchor="end">{told_number(value, 4)}</text>')
    out += [_below(px(value), value) for value in ticks(x0, x1, whole=counts)]
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    if mark is not None and x0 <= mark[0] <= x1:
        at = px(mark[0])
        side = "end" if at > middle else "start"
        out.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        shift = -5 if side == "end" else 5
        out.append(f'<text x="{at + shift:.1f}" y="{TOP + 9}" text-anchor="{side}">{escape(mark[1])}</text>')
    for one in shown:
        points = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in zip(one.x.tolist(), one.y.tolist(), strict=True))
        out.append(f'<polyline class="s{one.color}" points="{points}"/>')
    out.append("</svg>")
    legend = "".join(f'<span class="key"><i class="b{one.color}"></i>{escape(one.name)}</span>' for one in series)
    return f"<figure><figcaption>{escape(y_label)}<br>{legend}</figcaption>{''.join(out)}</figure>"


def parity(
    labels: NDArray[np.float64], predicted: NDArray[np.float64], deviations: NDArray[np.float64], what: str
) -> str:
    """Draw predictions against labels, each with a bar of one predicted standard deviation to both sides.

    Parameters
    ----------
    labels, predicted, deviations : ndarray of shape (n,)
        What to draw; at equal steps, at most 2000 of them are.
    what : str
        The quantity, with its unit.
    """
    kept = np.arange(len(labels)) if len(labels) <= 2000 else np.linspace(0, len(labels) - 1, 2000).astype(int)
    x, y, bar = labels[kept], predicted[kept], deviations[kept]
    low, high = min(float(x.min()), float((y - bar).min())), max(float(x.max()), float((y + bar).max()))
    span = high - low or 1.0
    side = HEIGHT - TOP - BOTTOM

    def px(value: float) -> float:
        return LEFT + (value - low) / span * (WIDTH - LEFT - RIGHT)

    def py(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / span * side

    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="chart" role="img" aria-label="{escape(what)}">']
    for value in ticks(low, high):
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py(value):.1f}" y2="{py(value):.1f}"/>')
        out.append(f'<text x="{LEFT - 5}" y="{py(value) + 4:.1f}" text-anchor="end">{value:.5g}</text>')
    out += [_below(px(value), value) for value in ticks(low, high, 5)]
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">label</text>')
    out.append(f'<path class="mark" d="M{px(low):.1f} {py(low):.1f}L{px(high):.1f} {py(high):.1f}"/>')
    each = zip(x.tolist(), y.tolist(), bar.tolist(), strict=True)
    bars_drawn = "".join(f"M{px(a):.1f} {py(b - c):.1f}V{py(b + c):.1f}" for a, b, c in each)
    out.append(f'<path class="s0 thin" d="{bars_drawn}"/>')
    dots = "".join(f"M{px(a):.1f} {py(b):.1f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    out.append(f'<path class="s0 dots" d="{dots}"/></svg>')
    return f"<figure><figcaption>predicted {escape(what)}</figcaption>{''.join(out)}</figure>"


def _below(x: float, value: float) -> str:
    """Write a number below the axis."""
    return f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{told_number(value, 5)}</text>'


def _thinned(one: Series, is_log: bool) -> Series:
    """Leave out what cannot be drawn, and points beyond what the eye can tell apart."""
    kept = np.flatnonzero(np.isfinite(one.y) & ((one.y > 0.0) | (not is_log)))
    if len(kept) > MOST_POINTS:
        kept = kept[np.linspace(0, len(kept) - 1, MOST_POINTS).astype(int)]
    return Series(one.name, np.asarray(one.x, dtype=float)[kept], np.asarray(one.y, dtype=float)[kept], one.color)


def _percent(part: float) -> str:
    return "100 %" if part == 1.0 else f"{100 * part:.1f} %"


def bars(shares: Shares, most: int = 24) -> str:
    """Draw the composition of sets as stacked bars, and tell the numbers in a table.

    Parameters
    ----------
    shares : Shares
        The numbers.
    most : int, default=24
        Names that are shown; the others, which are the smallest in the pool, are put together.
    """
    names, counts, colors = list(shares.names), shares.counts, shares.colors
    if len(names) > most:
        counts = np.column_stack([counts[:, : most - 1], counts[:, most - 1 :].sum(axis=1)])
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    out = ['<div class="bars">']
    for name, own in zip(shares.sets, fractions.tolist(), strict=True):
        parts = "".join(
            f'<i class="b{colors[k]}" style="flex-grow:{part:.5f}" title="{escape(label)}: {_percent(part)}"></i>'
            for k, (label, part) in enumerate(zip(names, own, strict=True))
            if part > 0
        )
        out.append(f'<span>{escape(name)}</span><div class="bar">{parts}</div>')
    out.append("</div>")
    head = "".join(f"<th>{escape(name)}</th>" for name in shares.sets)
    body = "".join(
        f'<tr><th><i class="b{colors[k]}"></i>{escape(name)}</th>'
        + "".join(
            f"<td>{count:,} <small>{_percent(part)}</small></td>"
            for count, part in zip(counts[:, k].tolist(), fractions[:, k].tolist(), strict=True)
        )
        + "</tr>"
        for k, name in enumerate(names)
    )
    what = "atoms by element" if shares.of == "element" else f"structures by {shares.of}"
    table = f'<div class="wide"><table><tr><th>{escape(what)}</th>{head}</tr>{body}</table></div>'
    return "".join(out) + table
