"""A plan prints the numbers of the Phi-4 report for the Phi-4 recipe, and prices any other."""

import re

import pytest

from trivium.cli import console, main
from trivium.cli.plan import phases_of
from trivium.cli.run import HOME, load


@pytest.fixture(scope="module")
def phi4():
    return load("phi4")


def printed(capsys, *words: str) -> str:
    assert main.main(["plan", *words]) == 0
    return capsys.readouterr().out


def test_the_14b_run_is_that_of_the_report(capsys):
    out = re.sub(r" +", " ", printed(capsys, "phi4"))
    assert "phi4: 14.66B parameters" in out
    for line in (  # Table 5: share, unique tokens, epochs
        "web 15% 1.5T 1.3T 1.2",
        "web_rewrites 15% 1.5T 290B 5.2",
        "synthetic 40% 4T 290B 13.8",
        "code 20% 2T 820B 2.4",
        "acquired 10% 1T 580B 1.7",
        "pretrain 10T 4,096 5,760 3e-4 0.1",
        "dpo1 generic multiple choice 132,859",  # Table 7
        "dpo2 any vs any, accuracy 532,000",  # Table 8
    ):
        assert line in out
    assert re.search(r"midtrain 250B 16,384 [\d,]+ 3e-5 0.1 250,000", out)
    assert "Reported: 967,680 H100 SXM hours" in out


def test_phases_of_the_report(phi4):
    phases = {phase.name: phase for phase in phases_of(phi4)}
    assert list(phases) == ["pretrain", "midtrain", "sft", "dpo1", "dpo2"]
    assert phases["sft"].tokens == 8e9 and phases["sft"].learning_rate == 1e-6
    assert sum(phi4.expected.dpo1_pairs.values()) == 250_297
    assert sum(phi4.expected.dpo2_pairs.values()) == 841_842


def test_settings_change_the_price(capsys):
    half = re.sub(r" +", " ", printed(capsys, "phi4", "--set", "mix.budget_tokens=5000000000000"))
    assert "5T tokens" in half and "pretrain 5T" in half


def test_a_higher_share_of_the_peak_takes_fewer_hours(capsys):
    def hours(out: str) -> int:
        return int(re.search(r"H100 SXM +([\d,]+)", out)[1].replace(",", ""))

    slow, fast = (hours(printed(capsys, "phi4", "--mfu", mfu)) for mfu in ("0.2", "0.4"))
    assert slow == pytest.approx(2 * fast, abs=2)


@pytest.mark.parametrize(
    "words", [("--mfu", "0"), ("--mfu", "2"), ("--gpus", "0"), ("--set", "mix.budgettokens=1")]
)
def test_wrong_options_are_one_sentence(words, capsys):
    assert main.main(["plan", "phi4", *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_price_of_ones_own_changes_the_money_and_nothing_else(capsys):
    def money(out: str, gpu: str) -> str:
        return re.search(rf"{gpu}.* (\S+) at", out)[1]

    assumed, ours = printed(capsys, "large"), printed(capsys, "large", "--price", "h100=1.50")
    assert money(assumed, "A100 80GB") == money(ours, "A100 80GB")
    assert float(money(ours, "H100 SXM")) == pytest.approx(float(money(assumed, "H100 SXM")) / 2, rel=0.01)
    assert "at 1.50/h" in ours and "at 1.50/h" not in assumed


@pytest.mark.parametrize("price", ["H100", "H100=cheap", "H100=-1", "Z80=1"])
def test_a_wrong_price_is_one_sentence(price, capsys):
    assert main.main(["plan", "large", "--price", price]) == 2
    assert "expected GPU=DOLLARS with one of: L40S, A100" in capsys.readouterr().err


def test_a_small_size_is_priced_in_processor_time(capsys):
    assert re.search(r"\d+ minutes of one processor core and \d+ MiB", printed(capsys, "nano"))


@pytest.mark.parametrize("path", sorted((HOME / "recipes").glob("*.py")), ids=lambda path: path.stem)
def test_every_recipe_can_be_priced_and_its_keys_can_be_set(path, capsys):
    text = printed(capsys, str(path))
    assert "parameters" in text or "nothing is priced" in text
    keys = printed(capsys, str(path), "--keys").splitlines()
    seed = next(line for line in keys if line.startswith("seed="))
    assert load(str(path), (seed,)) == load(str(path))


@pytest.mark.parametrize(
    ("number", "text"),
    [(14_659_507_200, "14.66B"), (1e13, "10T"), (290e9, "290B"), (1500, "1.5k"), (12, "12"), (0, "0")],
)
def test_large_numbers_are_short(number, text):
    assert console.big(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(3e-4, "3e-4"), (1.5e-5, "1.5e-5"), (0.1, "0.1"), (0, "0"), (1, "1")]
)
def test_small_numbers_are_short(number, text):
    assert console.small(number) == text


def test_a_plan_says_what_the_teacher_may_cost_and_which_flows_are_ordered(capsys):
    words = ["--set", "synthesize.teacher.price=(0.5, 2.0)", "--set", "synthesize.flows.rewrite.count=7"]
    out = printed(capsys, "pocket", *words)
    assert "at most 2,800 tokens written and 7,000 read, at most 0.0091 in the prices' currency" in out
    assert "rewrite: 7 rows from what the run has, at most 50,000 tokens written" in out
    assert "tagging: 2 rows from what the run has" in printed(capsys, "flows")
