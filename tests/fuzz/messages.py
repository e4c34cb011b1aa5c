"""Hostile messages at a worker and at a coordinator: neither heeds one, or takes harm.

``python tests/fuzz/messages.py BUNDLE`` sends a million to each (with tests/support on the path).
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from at_coordinator import attack_coordinator
from at_worker import attack_worker
from attack import Attack

from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import console, figure_table, progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    attacks = []
    with progress(given.count, "at a worker", unit="messages") as advance:
        attacks.append(attack_worker(given.count, given.seed, advance))
    with progress(given.count, "at a coordinator", unit="messages") as advance:
        attacks.append(attack_coordinator(given.bundle, given.count, given.seed, advance))
    _show(attacks)
    if given.json:
        with atomic_path(given.json) as path:
            path.write_text(json.dumps([asdict(attack) for attack in attacks], indent=1) + "\n")


def _show(attacks: list[Attack]) -> None:
    headings = ("messages", "a second", "memory", "slowest answer", "log")
    table = figure_table(("target",), headings)
    for one in attacks:
        table.add_row(
            one.target,
            f"{one.messages:,}",
            f"{one.messages / one.seconds:,.0f}",
            f"+{one.growth_mib:.1f} MiB",
            f"{one.slowest_answer_seconds:.2f} s",
            f"{one.log_bytes:,} B",
        )
    console.print(table)
    for one in attacks:
        told = ", ".join(f"{number:,} {name}" for name, number in sorted(one.answers.items()))
        console.print(f"{one.target}: {told}")


if __name__ == "__main__":
    main()
