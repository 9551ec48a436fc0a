"""Two kinds of pictures as SVG, drawn by hand: bars that are compared, and curves of latencies."""

import math
from html import escape

import msgspec

WIDTH, LABEL, VALUE, BAR, GAP = 760, 250, 90, 22, 8
COLOURS = ("#1f5f8b", "#c0792a", "#3c8a57", "#8a3c6c", "#6b6b6b", "#b03a2e")
STYLE = "font-family:sans-serif;font-size:13px"


class Bars(msgspec.Struct):
    """Named values, longest bar full width."""

    title: str
    unit: str
    values: list[tuple[str, float]]


class Lines(msgspec.Struct):
    """Latencies in order of size, one curve for each name: how long the slowest of each hundred took."""

    title: str
    unit: str
    curves: list[tuple[str, list[float]]]


POINTS = 600
"""Of a curve; more cannot be seen."""


def curve(values: list[float]) -> list[float]:
    """Values in order of size, thinned evenly to what can be seen; the largest stays."""
    ordered = sorted(values)
    step = max(1, -(-len(ordered) // POINTS))
    return [*ordered[: len(ordered) - 1 : step], *ordered[-1:]]


def draw(plot: "Bars | Lines") -> str:
    """The picture as SVG text."""
    return _bars(plot) if isinstance(plot, Bars) else _lines(plot)


def _frame(title: str, height: float, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" role="img" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" style="{STYLE}"><title>{escape(title)}</title>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<text x="10" y="22" font-weight="bold">{escape(title)}</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _bars(plot: Bars) -> str:
    room = WIDTH - LABEL - VALUE - 20
    longest = max((value for _, value in plot.values), default=1) or 1
    parts = []
    for place, (name, value) in enumerate(plot.values):
        y = 40 + place * (BAR + GAP)
        parts.append(f'<text x="{LABEL}" y="{y + 16}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<rect x="{LABEL + 8}" y="{y}" width="{value / longest * room:.1f}" height="{BAR}" '
            f'fill="{COLOURS[place % len(COLOURS)]}"/>'
        )
        parts.append(
            f'<text x="{LABEL + 14 + value / longest * room:.1f}" y="{y + 16}">{_short(value)} {escape(plot.unit)}</text>'
        )
    return _frame(plot.title, 50 + len(plot.values) * (BAR + GAP), parts)


def _lines(plot: Lines) -> str:
    left, top, right, bottom = 70, 40, WIDTH - 20, 300
    marks = (50.0, 90.0, 99.0, 99.9)
    highest = max((curve[-1] for _, curve in plot.curves if curve), default=1) or 1
    ceiling = _ceiling(highest)
    parts = [f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#333"/>']
    for step in range(5):
        y = bottom - (bottom - top) * step / 4
        parts.append(
            f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{_short(ceiling * step / 4)}</text>'
        )
        parts.append(f'<path d="M{left} {y:.0f}H{right}" stroke="#ddd"/>')
    for percent in marks:
        x = _across(percent, left, right)
        parts.append(f'<text x="{x:.0f}" y="{bottom + 18}" text-anchor="middle">p{percent:g}</text>')
        parts.append(f'<path d="M{x:.0f} {top}V{bottom}" stroke="#eee"/>')
    parts.append(f'<text x="{left}" y="{top - 6}">{escape(plot.unit)}</text>')
    for place, (name, curve) in enumerate(plot.curves):
        colour = COLOURS[place % len(COLOURS)]
        points = [
            f"{_across((i + 0.5) / len(curve) * 100, left, right):.1f},{bottom - value / ceiling * (bottom - top):.1f}"
            for i, value in enumerate(curve)
        ]
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        parts.append(
            f'<text x="{left + 12}" y="{top + 18 + place * 18}" fill="{colour}">{escape(name)}</text>'
        )
    return _frame(plot.title, bottom + 34, parts)


def _across(percent: float, left: float, right: float) -> float:
    """The place of a percentile: each nine takes as much room as the one before."""
    share = min(-math.log10(max(1 - percent / 100, 1e-4)) / 3.5, 1.0)
    return left + share * (right - left)


def _ceiling(value: float) -> float:
    step = 10.0 ** (len(str(int(value))) - 1) if value >= 1 else 0.1
    while step * 10 < value:
        step *= 10
    return next(step * k for k in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 20) if step * k >= value)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
