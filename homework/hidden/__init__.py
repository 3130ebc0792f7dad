"""Hidden tests: the checks again, on many random cases that are drawn anew each time. Staff only.

    from homework import hidden
    hidden.conv_gated(conv_gated)

A failure names the seed of the draw; `seed=` draws the same cases again.
"""

import io
import secrets
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from homework import checks
from homework.checks import Wrong

from . import cases

N_CASES = 20


def _on_random_cases(
    check: Callable[..., None], draw: Callable[[int], Any], n_cases: int = N_CASES
) -> Callable[..., None]:
    """A hidden test: `check` on cases that `draw` makes of random numbers."""

    def hidden(answer: Any, seed: int | None = None) -> None:
        used = secrets.randbits(32) if seed is None else seed

        @seeded(used)
        @settings(
            max_examples=n_cases,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.integers(0, 2**32 - 1))
        def on_a_case(number: int) -> None:
            with redirect_stdout(io.StringIO()):
                check(answer, draw(number))

        try:
            on_a_case()
        except Wrong as wrong:
            raise Wrong(f"{wrong} (hidden test {check.__name__}, seed {used})") from None

    return hidden


neighbours = _on_random_cases(checks.neighbours, cases.cell)
nearest = _on_random_cases(checks.nearest, cases.edges_to_cut, 40)
expand = _on_random_cases(checks.expand, cases.distances)
bits = _on_random_cases(checks.bits, cases.properties)
relabel = _on_random_cases(checks.relabel, cases.relabelling)

sum_over_edges = _on_random_cases(checks.sum_over_edges, cases.graph)
conv_none = _on_random_cases(checks.conv_none, cases.graph)
conv_shared = _on_random_cases(checks.conv_shared, cases.graph)
conv_gated = _on_random_cases(checks.conv_gated, cases.graph)
conv_published = _on_random_cases(checks.conv_published, cases.graph)
equivariant = _on_random_cases(checks.equivariant, cases.graph, 3)
pool = _on_random_cases(checks.pool, cases.pooling)

nll = _on_random_cases(checks.nll, cases.logits)
scale = _on_random_cases(checks.scale, cases.targets)
train_step = _on_random_cases(checks.train_step, cases.training)
mean_absolute_error = _on_random_cases(checks.mean_absolute_error, cases.scaled_outputs)
best_epoch = _on_random_cases(checks.best_epoch, cases.history)
mean_and_spread = _on_random_cases(checks.mean_and_spread, cases.errors)

formation_energy = _on_random_cases(checks.formation_energy, cases.total_energy)
kj_per_mol = _on_random_cases(checks.kj_per_mol, cases.energy_and_size)
mean_error = _on_random_cases(checks.mean_error, cases.predictions)
tolerance_factor = _on_random_cases(checks.tolerance_factor, cases.radii)
cubic_perovskite = _on_random_cases(checks.cubic_perovskite, cases.perovskite)
charge_neutral = _on_random_cases(checks.charge_neutral, cases.ions)
screen = _on_random_cases(checks.screen, cases.answers)
enrichment = _on_random_cases(checks.enrichment, cases.picks)

close_packed = _on_random_cases(checks.close_packed, cases.packing, 5)
composition_limit = _on_random_cases(checks.composition_limit, cases.formulas)
abo3 = _on_random_cases(checks.abo3, cases.composition, 100)
group_split = _on_random_cases(checks.group_split, cases.groups, 10)
rattled = _on_random_cases(checks.rattled, cases.rattling, 10)


# One answer, whatever the case.
twins = checks.twins
improvement = checks.improvement
