"""What a status pack costs: bytes, and milliseconds in Python and in JavaScript.

    python -m loadtest.bench_pack [COUNT] [SHARE] [PER_PREFIX]

Makes COUNT numbers (10,000,000), of which SHARE (0.01) are not valid: seven in ten revoked, two suspended, one
replaced, at random places; PER_PREFIX (10,000) to an agency, level and year. Then one day: a thousandth more numbers,
500 further changes. Needs no server; JavaScript is timed when node is there.
"""

import datetime as dt
import gzip
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from verify.proof.pack import (
    Listed,
    apply_delta,
    build_pack,
    decode_delta,
    decode_pack,
    diff_packs,
    encode_delta,
    encode_pack,
    find_number,
)

STATIC = Path(__file__).parents[1] / "static"
STATES = (Listed.REVOKED,) * 7 + (Listed.SUSPENDED,) * 2 + (Listed.REPLACED,)
NOON = dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC)
IN_NODE = """
const [old, delta] = JSON.parse(require("fs").readFileSync(0, "utf8")).map((t) => new Uint8Array(Buffer.from(t, "hex")));
const time = (name, work) => { let least = Infinity, found;
  for (let i = 0; i < 5; i++) { const began = process.hrtime.bigint(); found = work();
    least = Math.min(least, Number(process.hrtime.bigint() - began) / 1e6); }
  console.log(`  node    ${name.padEnd(8)} ${least.toFixed(1)} ms`); return found; };
const pack = time("decode", () => StatusPack.decodePack(old));
time("encode", () => StatusPack.encodePack(pack));
time("find", () => StatusPack.findNumber(pack, "S000011000000231000001"));
StatusPack.applyDelta(pack, StatusPack.decodeDelta(delta));
"""


def prefix(index: int) -> str:
    """Agencies with four years of five levels each."""
    agency, part = divmod(index, 20)
    return f"S0000{agency % 31 + 11:02d}{agency:06d}{23 + part // 5}{part % 5 + 1}"


def timed(name: str, began: float) -> None:
    print(f"  python  {name:8} {(time.perf_counter() - began) * 1e3:.1f} ms")


def main(count: int, share: float, per_prefix: int) -> None:
    """Print the figures of one register."""
    dice = random.Random(11)
    prefixes = [prefix(index) for index in range(count // per_prefix)]
    places = dice.sample(range(count), int(count * share))
    listed = {f"{prefixes[p // per_prefix]}{p % per_prefix + 1:06d}": dice.choice(STATES) for p in places}
    began, held = time.perf_counter(), len(listed)
    old = build_pack(
        [(p, per_prefix + 1) for p in prefixes], listed.items(), seq=1, issued_at=NOON, max_age_s=86_400
    )
    print(f"{count:,} numbers, {len(prefixes):,} prefixes, {len(listed):,} not valid")
    timed("build", began)
    began = time.perf_counter()
    whole = encode_pack(old)
    timed("encode", began)
    began = time.perf_counter()
    assert decode_pack(whole) == old
    timed("decode", began)
    assert all(find_number(old, number) is listed[number] for number in dice.sample(sorted(listed), 200))
    for place in dice.sample(range(count), 500):
        listed[f"{prefixes[place // per_prefix]}{place % per_prefix + 1:06d}"] = dice.choice(STATES)
    grown = [(p, per_prefix + 1 + (per_prefix // 100 if i % 10 == 0 else 0)) for i, p in enumerate(prefixes)]
    new = build_pack(grown, listed.items(), seq=2, issued_at=NOON + dt.timedelta(days=1), max_age_s=86_400)
    began = time.perf_counter()
    step = encode_delta(diff_packs(old, new))
    timed("diff", began)
    began = time.perf_counter()
    assert encode_pack(apply_delta(old, decode_delta(step))) == encode_pack(new)
    timed("apply", began)
    print(f"  pack    {len(whole):,} bytes, {len(whole) * 8 / held:.2f} bits for each listed number")
    print(f"  gzip    {len(gzip.compress(whole, 9)):,} bytes on the way")
    print(f"  delta   {len(step):,} bytes for a day")
    if node := shutil.which("node"):
        program = (STATIC / "pack.js").read_text("utf-8") + IN_NODE
        subprocess.run(
            [node, "-e", program], input=json.dumps([whole.hex(), step.hex()]).encode(), check=True
        )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 10_000_000,
        float(given[1]) if len(given) > 1 else 0.01,
        int(given[2]) if len(given) > 2 else 10_000,
    )
