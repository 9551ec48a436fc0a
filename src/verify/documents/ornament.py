"""The guilloche of the page: drawn from formulas, so that the art is source and every printing is the same.

Fine interlaced lines are hard to redraw by eye and break up in a careless scan; the border is dark enough to
survive a photocopy, the ground pale enough to vanish in one. All lengths are millimetres on A4 landscape.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from math import cos, pi, sin
from typing import Final

Point = tuple[float, float]
Curve = Callable[[float], Point]

WIDTH: Final = 297.0
HEIGHT: Final = 210.0
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
def ornament_svg() -> str:
    """Border, corner rosettes, ground rosette and the rule between the panels, as one SVG of few paths."""
    body = "".join(
        (
            _path(_ground(), PALE, 0.16),
            _path(_rules(), BRONZE, 0.28),
            _path(_edges(), BRONZE, 0.85),
            _path(_border(), BRONZE, 0.14),
            _path(_corners(), BRONZE, 0.14),
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}mm" height="{HEIGHT:.0f}mm" '
        f'viewBox="0 0 {_u(WIDTH)} {_u(HEIGHT)}" fill="none">{body}</svg>'
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


def _border() -> Iterator[str]:
    """Six waves with swelling amplitude along each side, whole periods, so that the sides end alike."""
    corner = INSET + BAND / 2 + 1.8
    for length, place in (
        (WIDTH - 2 * corner, lambda s, t: (corner + s, INSET + t)),
        (WIDTH - 2 * corner, lambda s, t: (corner + s, HEIGHT - INSET - t)),
        (HEIGHT - 2 * corner, lambda s, t: (INSET + t, corner + s)),
        (HEIGHT - 2 * corner, lambda s, t: (WIDTH - INSET - t, corner + s)),
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


def _rules() -> Iterator[str]:
    """Hairlines on both sides of the band, and the pair between the panels."""
    half = BAND / 2
    for inset in (INSET - half, INSET + half, INSET + half + 0.9):
        yield _rectangle(inset)
    middle, end = WIDTH / 2, INSET + half + 9
    for shift in (-0.45, 0.45):
        yield f"M{_u(middle + shift)} {_u(end)}V{_u(HEIGHT - end)}"


def _edges() -> Iterator[str]:
    """The strong outer line, and a lozenge at each end of the rule between the panels."""
    yield _rectangle(INSET - BAND / 2 - 1.2)
    middle, end = WIDTH / 2, INSET + BAND / 2 + 7.4
    for y in (end, HEIGHT - end):
        yield f"M{_u(middle)} {_u(y - 1.2)}l30 30-30 30-30-30z"


def _rectangle(inset: float) -> str:
    near, right, bottom = _u(inset), _u(WIDTH - inset), _u(HEIGHT - inset)
    return f"M{near} {near}H{right}V{bottom}H{near}z"


def _corners() -> Iterator[str]:
    for x in (INSET, WIDTH - INSET):
        for y in (INSET, HEIGHT - INSET):
            for k in range(4):
                yield _trace(_petals((x, y), 2.6, 1.5, 8, pi * k / 2), 0, 2 * pi, 24)


def _ground() -> Iterator[str]:
    """Three rings of interlaced petals behind the text."""
    centre = (WIDTH / 2, HEIGHT / 2)
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


def _path(parts: Iterator[str] | list[str], colour: str, width: float) -> str:
    return f'<path d="{"".join(parts)}" stroke="{colour}" stroke-width="{width * UNITS:.3g}"/>'


def _u(millimetres: float) -> int:
    return round(millimetres * UNITS)
