"""The guilloche of the page: drawn from formulas, so that the art is source and every printing is the same.

Fine interlaced lines are hard to redraw by eye and break up in a careless scan; the border is dark enough to
survive a photocopy, the ground pale enough to vanish in one. All lengths are millimetres on A4.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import pairwise
from math import cos, pi, sin
from typing import Final

Point = tuple[float, float]
Curve = Callable[[float], Point]

LONG: Final = 297.0
SHORT: Final = 210.0
"""The sides of A4."""
INSET: Final = 10.5
"""From the paper's edge to the middle of the border band; inside what every office printer can reach."""
UNITS: Final = 25
"""Drawing units a millimetre: whole numbers of 0.04 mm halve the page's size and no eye sees the difference."""
BAND: Final = 6.4
"""Width of the border band."""
BRONZE: Final = "#8a6b34"
"""Dark enough for a photocopy, 4.9 to 1 on white."""
PALE: Final = "#efe7d6"
"""Disappears in one."""


@cache
def ornament_svg(portrait: bool = False) -> str:
    """Border, corner rosettes and ground rosette as one SVG of few paths; in landscape a rule between panels."""
    size = (SHORT, LONG) if portrait else (LONG, SHORT)
    rules, edges = _rules(size), _edges(size)
    body = "".join(
        (
            _path(_ground(size), PALE, 0.16),
            _path(rules if portrait else [*rules, *_divider(size)], BRONZE, 0.28),
            _path(edges if portrait else [*edges, *_lozenges(size)], BRONZE, 0.85),
            _path(_border(size), BRONZE, 0.14),
            _path(_corners(size), BRONZE, 0.14),
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]:.0f}mm" height="{size[1]:.0f}mm" '
        f'viewBox="0 0 {_u(size[0])} {_u(size[1])}" fill="none">{body}</svg>'
    )


@cache
def flourish_svg(length: float = 84.0, height: float = 5.0) -> str:
    """The interlaced rule below the title: waves that swell in the middle and die at both ends."""
    waves = [_flourish(length, height, pi * k / 3) for k in range(6)]
    path = "".join(_trace(wave, 0, length, 42) for wave in waves)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{length}mm" height="{height}mm" '
        f'viewBox="0 0 {_u(length)} {_u(height)}" fill="none">{_path([path], BRONZE, 0.16)}</svg>'
    )


def _flourish(length: float, height: float, phase: float) -> Curve:
    def at(s: float) -> Point:
        swell = max(0.0, sin(pi * s / length)) ** 1.5
        return s, height / 2 + (height / 2 - 0.2) * swell * sin(2 * pi * 4 * s / length + phase)

    return at


def _border(size: Point) -> Iterator[str]:
    """Six waves with swelling amplitude along each side, whole periods, so that the sides end alike."""
    width, height = size
    corner = INSET + BAND / 2 + 1.8
    for length, place in (
        (width - 2 * corner, lambda s, t: (corner + s, INSET + t)),
        (width - 2 * corner, lambda s, t: (corner + s, height - INSET - t)),
        (height - 2 * corner, lambda s, t: (INSET + t, corner + s)),
        (height - 2 * corner, lambda s, t: (width - INSET - t, corner + s)),
    ):
        periods = round(length / 12.5)
        for k in range(6):
            yield _trace(_wave(length, periods, pi * k / 3, place), 0, length, periods * 3)


def _wave(length: float, periods: int, phase: float, place: Callable[[float, float], Point]) -> Curve:
    def at(s: float) -> Point:
        turn = 2 * pi * periods * s / length
        swell = 0.78 + 0.2 * cos(turn / periods * round(periods / 2) * 2)
        return place(s, (BAND / 2 - 0.55) * swell * sin(turn + phase))

    return at


def _rules(size: Point) -> Iterator[str]:
    """Hairlines on both sides of the band."""
    half = BAND / 2
    for inset in (INSET - half, INSET + half, INSET + half + 0.9):
        yield _rectangle(inset, size)


def _divider(size: Point) -> Iterator[str]:
    """The pair of hairlines between the panels."""
    middle, end = size[0] / 2, INSET + BAND / 2 + 9
    for shift in (-0.45, 0.45):
        yield f"M{_u(middle + shift)} {_u(end)}V{_u(size[1] - end)}"


def _edges(size: Point) -> Iterator[str]:
    """The strong outer line."""
    yield _rectangle(INSET - BAND / 2 - 1.2, size)


def _lozenges(size: Point) -> Iterator[str]:
    """One at each end of the rule between the panels."""
    middle, end = size[0] / 2, INSET + BAND / 2 + 7.4
    for y in (end, size[1] - end):
        yield f"M{_u(middle)} {_u(y - 1.2)}l30 30-30 30-30-30z"


def _rectangle(inset: float, size: Point) -> str:
    near, right, bottom = _u(inset), _u(size[0] - inset), _u(size[1] - inset)
    return f"M{near} {near}H{right}V{bottom}H{near}z"


def _corners(size: Point) -> Iterator[str]:
    for x in (INSET, size[0] - INSET):
        for y in (INSET, size[1] - INSET):
            for k in range(4):
                yield _trace(_petals((x, y), 2.6, 1.5, 8, pi * k / 2), 0, 2 * pi, 24)


def _ground(size: Point) -> Iterator[str]:
    """Three rings of interlaced petals behind the text."""
    centre = (size[0] / 2, size[1] / 2)
    for radius, depth, petals in ((66.0, 13.0, 24), (41.0, 13.0, 18), (17.0, 12.0, 12)):
        for k in range(8):
            start = (0.5 - k / 4) * pi / petals  # at an outermost point: two pieces a petal are then enough
            curve = _petals(centre, radius, depth, petals, 2 * pi * k / 8)
            yield _trace(curve, start, start + 2 * pi, petals * 2)


def _petals(centre: Point, radius: float, depth: float, petals: int, phase: float) -> Curve:
    def at(angle: float) -> Point:
        reach = radius + depth * sin(petals * angle + phase)
        return centre[0] + reach * cos(angle), centre[1] + reach * sin(angle)

    return at


def _trace(curve: Curve, start: float, end: float, pieces: int) -> str:
    """The curve as cubic Béziers that share its points and directions (Hermite form)."""
    step = (end - start) / pieces
    knots = [start + step * i for i in range(pieces + 1)]
    x, y = curve(start)
    path = [f"M{_u(x)} {_u(y)}"]
    for a, b in pairwise(knots):
        (ax, ay), (bx, by) = _reach(curve, a, step), _reach(curve, b, -step)
        x, y = curve(b)
        path.append(f"C{_u(ax)} {_u(ay)} {_u(bx)} {_u(by)} {_u(x)} {_u(y)}")
    return "".join(path)


def _reach(curve: Curve, at: float, step: float) -> Point:
    """The control point a third of a step along the tangent."""
    x, y = curve(at)
    (x0, y0), (x1, y1) = curve(at - 1e-4), curve(at + 1e-4)
    return x + (x1 - x0) / 2e-4 * step / 3, y + (y1 - y0) / 2e-4 * step / 3


def _path(parts: Iterable[str], colour: str, width: float) -> str:
    return f'<path d="{"".join(parts)}" stroke="{colour}" stroke-width="{width * UNITS:.3g}"/>'


def _u(millimetres: float) -> int:
    return round(millimetres * UNITS)
