"""No attack of the suite achieves anything, and the suite can tell when one does."""

from collections.abc import Iterator

import pytest
from tests.verify.attack_probe import WORKED, Attack, World, attacks, falls_for

from trivium.errors import ResourceError

ATTACKS = attacks()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    try:
        with World() as built:
            yield built
    except ResourceError as error:
        pytest.skip(str(error))


def test_there_are_enough_and_no_two_are_the_same() -> None:
    assert len(ATTACKS) >= 60
    assert len({attack.code for attack in ATTACKS}) == len(ATTACKS)
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.family}-{attack.name}")
def test_nothing_is_achieved(world: World, attack: Attack) -> None:
    assert world.attempt(attack) == []


def test_the_probe_sees_what_an_attack_achieves(world: World) -> None:
    def attempt(code: str) -> str:
        return " ".join(world.attempt(Attack("", "", code)))

    assert "it says that it worked" in attempt(f"print({WORKED!r})")
    assert "it read the secret" in attempt(f"print({world.secret!r})")
    (world.home / "file").write_text("")
    assert "it changed the host's folder" in attempt("")
    (world.home / "file").unlink()
    as_it_was, world.pristine = world.pristine, world.sandbox.run("1")
    assert "the next snippet sees a difference" in attempt("")
    world.pristine = as_it_was
    world.listeners[1].sendto(b"x", ("127.0.0.1", world.port))
    assert "it reached a listener" in attempt("")
    assert attempt("") == ""


def test_the_usual_way_falls_for_many_of_the_same_programs(world: World) -> None:
    forging = [attack for attack in ATTACKS if attack.family == "forge"]
    named = ("exit_zero", "hard_exit_in_call", "equal_to_all", "patched_abs", "import_hook", "own_memory")
    assert all(falls_for(attack, world) for attack in forging if attack.name in named)
