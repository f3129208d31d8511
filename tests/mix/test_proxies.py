"""The whole search on a tiny run: equal epochs, real training, no trace of a kill, errors in one sentence."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recipes import pocket

from trivium import pipeline
from trivium.cli import main, mix_search
from trivium.config import to_json
from trivium.errors import ConfigError, DataError
from trivium.mix.search.design import dirichlet
from trivium.mix.stage import MixConfig
from trivium.models.phi import ModelConfig
from trivium.proxies import confirm, verdict
from trivium.proxies.experiment import search
from trivium.proxies.proxy import Trial, write_plan
from trivium.proxies.settings import SearchConfig
from trivium.proxies.subset import take
from trivium.proxies.world import PROXY, World, open_world, prepare
from trivium.records import Example, Message, Question, from_table
from trivium.store import files
from trivium.store.run import RECORD_FILE, Run, StageDir
from trivium.train import tokenize_stage, tokens
from trivium.train.order import Stream, make_order
from trivium.train.pretrain_stage import PretrainConfig
from trivium.train.settings import LoopConfig
from trivium.train.sft_stage import SFTConfig

CONFIG = SearchConfig(
    proxy_tokens=1500,
    proxy_hidden=16,
    multiple=2.0,
    conversations=12,
    mixtures=6,
    noise_seeds=1,
    rounds=(1,),
    confirm_seeds=2,
    tasks={"sums": 1.0, "facts_known": 1.0, "absent": 1.0},
    items=8,
    heldout_bytes=400,
)
WRITTEN = ("search.json", "runs.parquet", "confirmed.parquet", "mixture.html")
LOOP = LoopConfig(learning_rate=3e-3, rows=4, row_tokens=64, checkpoint_steps=2)


def chat(name: str, flow: str, asked: str, reply: str) -> Example:
    said = [Message(role="user", content=asked), Message(role="assistant", content=reply)]
    return Example(id=name, source="chat", flow=flow, messages=said)


def item(number: int, skill: str, asked: str, reply: str) -> Question:
    return Question(
        id=f"{skill}{number}", prompt=asked, answer=reply, verifier="exact", skill=skill, difficulty=1,
        template="t", solution=f"Answer: {reply}",
    )  # fmt: skip


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the stages that a search needs: three sources, sums and facts."""
    run, rng = tmp_path_factory.mktemp("run"), random.Random(0)
    doors = {
        name: StageDir(name=name, path=run / f"{number:02d}-{name}", seed=0)
        for number, name in ((2, "items"), (4, "decontaminate"), (5, "tokenize"), (9, "sft_data"))
    }
    rows, chats = [], []
    for i in range(120):
        a, b = rng.randint(1, 9), rng.randint(1, 9)
        rows.append(Example(id=f"s{i}", source="synthetic", flow="f", text=f"{a} plus {b} is {a + b}. " * 3))
        rows.append(Example(id=f"w{i}", source="web", flow="f", text=f"Page {i} says x{i % 10} is red. " * 4))
        rows.append(Example(id=f"c{i}", source="code", flow="f", text=f"x{i % 7} = {a} + {b}\n" * 5))
        chats.append(chat(f"chat{i}", "sum", f"What is {a} plus {b}, try {i}?", f"{a}+{b}={a + b}. ok"))
        chats.append(chat(f"fact{i}", "fact_answer", f"Colour of x{i % 10}?", f"Answer: red{i % 10}"))
        chats.append(chat(f"no{i}", "fact_refusal", f"Colour of y{i}?", "I do not know."))
    doors["decontaminate"].write("examples", Example, rows)
    doors["sft_data"].write("examples", Example, chats)
    questions = [item(i, "sums", f"What is {i} plus 1?", str(i + 1)) for i in range(8)]
    questions += [item(i, "facts_known", f"Tell the colour of x{i}.", f"red{i}") for i in range(10)]
    doors["items"].write("questions", Question, questions)
    door = dataclasses.replace(doors["tokenize"], inputs={"decontaminate": doors["decontaminate"].path})
    door = dataclasses.replace(door, inputs={**door.inputs, "sft_data": doors["sft_data"].path})
    tokenize_stage.run(tokenize_stage.TokenizeConfig(vocab=320, heldout_frac=0.1), door)
    for name in ("items", "tokenize", "sft_data"):
        files.write_json(doors[name].path / RECORD_FILE, {"output_hash": "test"})
    shape = ModelConfig(hidden=32, layers=2, heads=2, kv_heads=2, ffn=48, context=64)
    recipe = dataclasses.replace(
        pocket.recipe(),
        mix=MixConfig(budget_tokens=6000, shares={"web": 0.3, "synthetic": 0.5, "code": 0.2}),
        pretrain=PretrainConfig(model=shape, loop=LOOP),
        sft=SFTConfig(loop=LOOP),
    )
    files.write_json(run / "recipe.json", to_json(recipe))
    return run


@pytest.fixture(scope="module")
def done(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("search") / "out"
    return out, search(small_run, out, CONFIG, workers=1)


def world_of(run: Path, out: Path, **changes: Any) -> World:
    return open_world(Run.open(run), out, dataclasses.replace(CONFIG, **changes))


def test_every_size_sees_the_targets_epochs(small_run: Path, tmp_path: Path) -> None:
    world = world_of(small_run, tmp_path)
    prepare(world)
    rows = np.concatenate(
        [dirichlet(world.space, np.asarray(world.space.prior), 20, 0), [world.space.natural()]]
    )
    for size in world.sizes:
        for shares in rows:
            trial = Trial(label="t", size=size, shares=tuple(shares), number=0)
            got = write_plan(world, trial, tmp_path / "mix")
            # Half a percent, and the whole tokens that no subset can split.
            assert np.allclose(got, world.space.epochs(shares), rtol=0.005, atol=2e-3)


def test_subsets_are_nested_and_never_change(small_run: Path) -> None:
    source = tokens.open_source(small_run / "05-tokenize" / "tokens", "web")
    total = int(source.num_targets().sum())
    before: dict[str, list[int]] = {}
    for frac in (0.05, 0.2, 0.21, 0.6, 1.0):
        taken = {doc.row: list(doc.ids) for doc in take(source, frac, 3, 1.0)}
        assert sum(len(ids) - 1 for ids in taken.values()) == round(frac * total)
        for row, ids in before.items():
            assert taken[row][: len(ids)] == ids
        assert {d.row: list(d.ids) for d in take(source, frac, 3, 1.0)} == taken
        before = taken
    other = {doc.row for doc in take(source, 0.2, 4, 1.0)}
    assert other != {doc.row for doc in take(source, 0.2, 3, 1.0)}


def test_the_trained_epochs_are_the_planned_ones(small_run: Path, tmp_path: Path) -> None:
    world = world_of(small_run, tmp_path)
    prepare(world)
    source = tokens.open_source(world.folder(PROXY) / "tokenize" / "tokens", "synthetic")
    wanted = round(0.5 * world.sizes[PROXY].tokens)
    stream = Stream(name="synthetic", source="synthetic", documents=np.arange(len(source)), tokens=wanted)
    order = make_order([source], [stream], row_tokens=64, rows_per_step=4, seed=0)
    target = 0.5 * world.space.budget / world.space.unique[world.space.sources.index("synthetic")]
    assert order.epochs["synthetic"] == pytest.approx(target, rel=0.05)  # to half a row


def test_fine_tuning_never_shows_what_is_asked(small_run: Path, tmp_path: Path) -> None:
    world = world_of(small_run, tmp_path)
    prepare(world)
    asked = from_table(Question, files.read_parquet(world.problems))
    facts = {row.solution for row in asked if row.skill == "facts_known"}
    assert len(facts) == 5  # half of them; the other half may be taught
    for size in world.sizes:
        table = files.read_parquet(world.folder(size) / "sft_data" / "examples.parquet")
        rows = from_table(Example, table)
        assert not facts & {row.messages[-1].content for row in rows}
        assert "fact_refusal" not in {row.flow for row in rows}
    names = [row.id for row in rows]
    small = files.read_parquet(world.folder(PROXY) / "sft_data" / "examples.parquet")["id"].to_pylist()
    assert names[: len(small)] == small


def test_a_search_ends_with_a_mixture_and_says_how_sure_it_is(done: tuple[Path, dict[str, Any]]) -> None:
    out, found = done
    assert found["tasks"] == ["facts_known", "sums"]
    assert found["missing"] == ["absent"]
    assert found["proxies"] == 6 + 1 + 1
    assert len(found["after"]["laws"]) == len(found["loss"]["laws"]) == 3
    for name in ("after", "loss"):
        assert sum(found[name]["optimum"].values()) == pytest.approx(1, abs=1e-3)
        assert found[name]["noise"] > 0
    if not found["after"]["trusted"]:
        assert "falls back to equal shares" in " ".join(found["sentences"])
    rows = {arm["arm"]: arm for arm in found["confirmation"]["arms"]}
    assert rows["prior"]["score"] == pytest.approx(1)
    for gain in found["confirmation"]["gains"]:
        assert gain["gain"] == pytest.approx(rows[gain["over"]]["score"] - rows["chosen"]["score"])
        assert gain["low"] <= gain["gain"] <= gain["high"]
    runs = files.read_parquet(out / "runs.parquet")
    bits = np.array(runs["bits"].to_pylist())
    assert bits.shape == (8, 13)
    assert (bits > 0).all()
    assert len(np.unique(bits[:, 0])) == 8  # every model is another one
    assert not (out / "trials").exists() or not any((out / "trials").iterdir())


def test_sources_on_their_floor_are_named(done: tuple[Path, dict[str, Any]]) -> None:
    found = done[1]
    first, *others = found["sources"]
    config = found["config"] | {"floors": {first: 0.3}}
    shares = dict.fromkeys(others, 0.7 / len(others))
    pushed = found | {"config": config, "after": found["after"] | {"optimum": {first: 0.3} | shares}}
    assert any(said.startswith(f"At their least share: {first}.") for said in verdict.sentences(pushed))
    free = pushed | {"config": config | {"floors": {first: 0.2}}}
    assert not any("least share" in said for said in verdict.sentences(free))


def test_the_page_holds_every_figure_and_fetches_nothing(done: tuple[Path, dict[str, Any]]) -> None:
    html = (done[0] / "mixture.html").read_text()
    figures = json.loads(re.findall(r'id="figures">(.*?)</script>', html, re.DOTALL)[0])
    assert set(figures) == {"shares", "simplex", "response", "predicted", "disagreement", "gains"}
    for name in figures:
        assert f'id="plot-{name}"' in html
    for sentence in done[1]["sentences"]:
        assert sentence.split(":")[0] in html.replace("&#39;", "'")
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(?!data:)', html)


def test_two_workers_give_the_same_bytes(
    small_run: Path, done: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    search(small_run, tmp_path, CONFIG, workers=2)
    assert hashes(tmp_path) == hashes(done[0])


def hashes(out: Path) -> dict[str, str]:
    return {name: files.file_hash(out / name) for name in WRITTEN}


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_proxies import CONFIG, search
search(Path({run!r}), Path({out!r}), CONFIG, workers=1)
"""


def test_a_killed_search_ends_with_the_same_bytes(
    small_run: Path, done: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    program = PROGRAM.format(tests=str(Path(__file__).parent), run=str(small_run), out=str(tmp_path))
    paths = os.pathsep.join([str(Path(__file__).parents[2] / "src"), str(Path(__file__).parents[2])])
    environ = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen([sys.executable, "-c", program], env=environ, stderr=subprocess.DEVNULL) as child:
        wanted = tmp_path / "scratch" / "round-1"
        while not len(list(wanted.glob("*.done.json"))) >= 2 and child.poll() is None:
            time.sleep(0.01)
        assert child.poll() is None, "the search ended before it could be killed"
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "search.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in wanted.glob("*.done.json")}
    search(small_run, tmp_path, CONFIG, workers=1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert hashes(tmp_path) == hashes(done[0])


def test_the_folder_of_another_search_is_refused(small_run: Path, done: tuple[Path, dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match=r"another search there \(changed config.penalty\)"):
        search(small_run, done[0], dataclasses.replace(CONFIG, penalty=0.5), workers=1)


def test_gains_are_paired_and_noise_is_told() -> None:
    rng = np.random.default_rng(0)
    seeds, items = rng.normal(size=(5, 1)) * 0.02, rng.normal(size=(1, 200))
    better = 1 + seeds + items
    found = confirm._gain(better + 0.05 - better + 0.001 * rng.normal(size=better.shape), 0.005, "prior")
    assert found["counts"] and found["low"] < 0.05 < found["high"] + 0.001
    same = confirm._gain(0.01 * rng.normal(size=(5, 200)), 0.005, "prior")
    assert not same["counts"]
    said = verdict._confirmed({"noise": 0.005, "tokens": 10, "seeds": 5, "gains": [found, same]})
    assert "a gain beyond the noise" in said[0]
    assert "no gain beyond the noise" in said[1]
    one = verdict._confirmed({"noise": 0.0, "tokens": 10, "seeds": 1, "gains": [found]})
    assert "undecided" in one[0]


def test_the_command_line_sets_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["mix", "search", "pocket", "--quick", "--mixtures", "9", "--set", "rounds=5,3"]
    command = main.parse([*words, "--set", 'floors={"web": 0.1}', "--set", 'tasks={"contest": 0.5}'])
    config = mix_search.sizes(command)
    assert (config.mixtures, config.rounds, config.floors) == (9, (5, 3), {"web": 0.1})
    assert config.tasks == {"contest": 0.5}
    assert config.proxy_tokens == mix_search.QUICK["proxy_tokens"]
    made: list[tuple[str, str | None]] = []
    monkeypatch.setattr(pipeline, "run", lambda recipe, out, **more: made.append((recipe.name, more["stop"])))
    assert mix_search.find_run(command) == Path("runs/pocket")
    assert made == [("pocket", "sft_data")]
    assert mix_search.find_run(main.parse(["mix", "search", "some/run"])) == Path("some/run")
    assert type(main.parse(["mix", "pocket"])).__name__ == "MixVerb"


def test_mistakes_are_one_sentence(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match="expected a run folder"):
        search(tmp_path, tmp_path / "out", CONFIG, workers=1)
    with pytest.raises(ConfigError, match="lower --proxy-tokens"):
        world_of(small_run, tmp_path, proxy_tokens=4000)
    with pytest.raises(DataError, match="no problem with a worked solution"):
        prepare(world_of(small_run, tmp_path, tasks={"absent": 1.0}))
    with pytest.raises(ConfigError, match="expected at least 6"):
        SearchConfig(mixtures=3)
    for words, said in (
        (["--set", "penality=1"], "penalty"),
        (["--workers", "0"], "expected 1 or more"),
        (["--floor", "0.9"], "floors that sum to"),
        (["--set", "floors"], "expected KEY=VALUE"),
    ):
        code = main.main(["mix", "search", str(small_run), "--out", str(tmp_path / "o"), "--quick", *words])
        assert code == 2
        printed = capsys.readouterr().err
        assert printed.startswith("error: ") and said in printed
        assert len(printed.splitlines()) == 1
