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
    options = parser.parse_args()
    attacks = []
    with progress(options.count, "at a worker", unit="messages") as advance:
        attacks.append(attack_worker(options.count, options.seed, advance))
    with progress(options.count, "at a coordinator", unit="messages") as advance:
        attacks.append(attack_coordinator(options.bundle, options.count, options.seed, advance))
    _show(attacks)
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps([asdict(attack) for attack in attacks], indent=1) + "\n")


def _show(attacks: list[Attack]) -> None:
    headings = ("messages", "a second", "memory", "slowest answer", "log")
    table = figure_table(("target",), headings)
    for attack in attacks:
        table.add_row(
            attack.target,
            f"{attack.messages:,}",
            f"{attack.messages / attack.seconds:,.0f}",
            f"+{attack.growth_mib:.1f} MiB",
            f"{attack.slowest_answer_seconds:.2f} s",
            f"{attack.log_bytes:,} B",
        )
    console.print(table)
    for attack in attacks:
        answers = ", ".join(f"{number:,} {name}" for name, number in sorted(attack.answers.items()))
        console.print(f"{attack.target}: {answers}")


if __name__ == "__main__":
    main()
