"""`python -m tests.model --cases N --seed S`: plays random cases of the saga and prints how fast, or what broke."""

from __future__ import annotations

import argparse
import sys

from tests.model.play import play


def main() -> int:
    """Play, print one line, and return the exit code: 1 where an invariant broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Plays random cases of the whole saga.")
    parser.add_argument("--cases", type=int, default=20_000, help="how many cases to play")
    parser.add_argument("--seed", type=int, default=1, help="which cases: the same seed plays the same ones")
    parser.add_argument("--case", type=int, help="play only this case of the seed")
    asked = parser.parse_args()
    cases = range(asked.cases) if asked.case is None else range(asked.case, asked.case + 1)
    played = play(asked.seed, cases)
    rate = played.cases / played.seconds
    print(f"{played.cases} cases in {played.seconds:.1f} s, {rate:.0f} cases/s, seed {asked.seed}")  # noqa: T201
    if played.failure is not None:
        print(played.failure)  # noqa: T201
    return played.failure is not None


if __name__ == "__main__":
    sys.exit(main())
