"""Every flow catches what is planted in it and lets clean seeds through; the benchmark runs all the cases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.synthesize import planted, planted_code, planted_numbers

from trivium.errors import ResourceError
from trivium.synthesize.catalogue import FLOWS
from trivium.synthesize.session import Tools
from trivium.verify.sandbox import Sandbox

RUNS_CODE = ("execution", "reversal", "checkers")
A_DEFECT = 2
"""Cases of each defect here; `benchmarks/flows.py` runs them all."""


@pytest.fixture(scope="module")
def tools() -> Iterator[Tools]:
    try:
        with Sandbox() as sandbox:
            yield Tools(runner=sandbox)
    except ResourceError:
        yield Tools()


def cases(flow: str) -> Iterator[planted.Case]:
    modules = (planted, planted_numbers, planted_code)
    return next(getattr(module, flow) for module in modules if flow in vars(module))()


@pytest.mark.parametrize("flow", FLOWS)
def test_planted_defects_are_caught_and_clean_seeds_pass(flow: str, tools: Tools) -> None:
    if flow in RUNS_CODE and tools.runner is None:
        pytest.skip("no sandbox on this machine")
    seen: dict[str, int] = {}
    missed, alarms = [], []
    for case in cases(flow):
        seen[case.defect] = seen.get(case.defect, 0) + 1
        if seen[case.defect] > A_DEFECT or case.defect == "a solver that never ends":
            continue
        harvest = planted.outcome(case, tools)
        if case.defect and not planted.is_caught(case, harvest):
            missed.append(case.defect)
        if not case.defect and not harvest.accepted:
            alarms.append(harvest.lost[0])
    assert missed == [] and alarms == []
    assert len(seen) > 6, "a flow without planted defects proves nothing"


def test_swapped_roles_are_a_known_blind_spot_of_rules_that_look_at_words(tools: Tools) -> None:
    case = next(case for case in cases("rewrite") if not case.defect)
    swapped = planted.with_roles_swapped(str(case.script["write"]), case.seed.text)
    assert swapped != case.script["write"]
    assert planted.outcome(case.but("swapped", write=swapped, revise=swapped), tools).accepted
