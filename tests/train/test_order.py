"""Packing and order: nothing is lost, nothing is twice, and every row is a pure function of its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.train import packing
from trivium.train.batch import flatten
from trivium.train.likelihood import NextToken
from trivium.train.order import Order, Stream, make_order
from trivium.train.tokens import TokenDocument, TokenSource, open_source, write_manifest, write_source


def make_store(folder: Path, lengths: dict[str, list[int]]) -> dict[str, TokenSource]:
    """A store whose ids count up, so that every token can be told from every other."""
    lines, number = {}, 0
    for name, sizes in lengths.items():
        documents = []
        for index, size in enumerate(sizes):
            ids = list(range(number, number + size))
            documents.append(TokenDocument(f"{name}{index}", ids, size, difficulty=float(size)))
            number += size
        lines[name] = write_source(folder, name, documents, 60_000)
    write_manifest(folder, 60_000, lines)
    return {name: open_source(folder, name) for name in lengths}


def streams(sources: dict[str, TokenSource], tokens: dict[str, int]) -> list[Stream]:
    return [Stream(name=n, source=n, documents=np.arange(len(sources[n])), tokens=tokens[n]) for n in sources]


def order_of(sources: dict[str, TokenSource], tokens: dict[str, int], **changes: object) -> Order:
    settings_ = {"row_tokens": 16, "rows_per_step": 4, "seed": 1, **changes}
    return make_order(list(sources.values()), streams(sources, tokens), **settings_)  # type: ignore[arg-type]


def all_rows(order: Order) -> list[list[tuple[int, int, int, int]]]:
    found = []
    for step in range(order.num_steps):
        for index in range(order.rows_per_step):
            row = order.row(step, index)
            if row is not None:
                spans = zip(row.sources, row.documents, row.offsets, row.lengths, strict=True)
                found.append([tuple(int(v) for v in span) for span in spans])
    return found


@given(st.lists(st.integers(1, 40), min_size=1, max_size=200))
@settings(max_examples=60, deadline=None)
def test_best_fit_packs_everything_once_and_never_over_the_brim(lengths: list[int]) -> None:
    bins = packing.best_fit(np.array(lengths), 40)
    assert sorted(i for one in bins for i in one) == list(range(len(lengths)))
    loads = [sum(lengths[i] for i in one) for one in bins]
    assert max(loads) <= 40
    # Best fit opens a bin only when no open one has room, so at most one bin is half empty or less.
    assert sum(load <= 20 for load in loads) <= 1


def test_pieces_make_every_token_but_the_first_a_target_exactly_once() -> None:
    lengths = np.array([1, 2, 17, 33, 40])
    pieces = packing.cut(np.arange(5), lengths, 16)
    targets = [
        (d, t)
        for d, o, n in zip(pieces.document, pieces.offset, pieces.length, strict=True)
        for t in range(o + 1, o + n + 1)
    ]
    assert sorted(targets) == [(d, t) for d, size in enumerate(lengths) for t in range(1, size)]
    assert pieces.length.max() <= 16


def test_one_epoch_trains_every_target_once_and_the_account_adds_up(tmp_path: Path) -> None:
    sources = make_store(tmp_path, {"a": [9, 30, 3, 16, 2, 50], "b": [7] * 13})
    wanted = {name: int(source.num_targets().sum()) for name, source in sources.items()}
    order = order_of(sources, wanted)
    seen: list[int] = []
    for step in range(order.num_steps):
        rows = [row for i in range(4) if (row := order.row(step, i)) is not None]
        batch = flatten(order, rows)
        assert order.step_targets(step) == batch.weights_N.sum() == len(batch)
        seen += batch.targets_N.tolist()
    everything = {
        int(i)
        for source in sources.values()
        for d in range(len(source))
        for i in source.ids[source.starts[d] + 1 : source.starts[d + 1]]
    }
    assert len(seen) == len(set(seen)) == sum(wanted.values())
    assert set(seen) == everything
    assert order.epochs == {"a": 1.0, "b": 1.0}


def test_epochs_come_close_to_the_plan_and_differ_from_one_another(tmp_path: Path) -> None:
    sources = make_store(tmp_path, {"a": [8] * 200})
    order = order_of(sources, {"a": round(200 * 7 * 2.5)})
    assert order.epochs["a"] == pytest.approx(2.5, rel=0.005)
    first = [span for row in all_rows(order)[:100] for span in row]
    second = [span for row in all_rows(order)[100:200] for span in row]
    assert first != second
    assert sorted(first) == sorted(second)


def test_sources_are_spread_evenly_over_the_run(tmp_path: Path) -> None:
    sources = make_store(tmp_path, {"a": [17] * 300, "b": [17] * 100})
    order = order_of(sources, {"a": 300 * 16, "b": 100 * 16})
    names = [row[0][0] for row in all_rows(order)]
    share = [sum(names[start : start + 40]) / 40 for start in range(0, 400, 40)]
    assert all(abs(part - 0.25) <= 0.05 for part in share)


def test_rows_do_not_depend_on_the_number_of_ranks(tmp_path: Path) -> None:
    sources = make_store(tmp_path, {"a": [9, 30, 3, 16, 2, 50] * 5})
    objective = NextToken(order_of(sources, {"a": 400}), micro_tokens=20)
    for step in range(objective.num_steps):
        parts = [
            sorted(
                tuple(b.targets_N) for r in range(ranks) for b, _ in objective.micro_batches(step, r, ranks)
            )
            for ranks in (1, 2, 4)
        ]
        flat = [sorted(t for part in one for t in part) for one in parts]
        assert flat[0] == flat[1] == flat[2]


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(tmp_path: Path) -> None:
    sources = make_store(tmp_path, {"a": [9, 30, 3, 16] * 9})
    once, again, other = (order_of(sources, {"a": 500}, seed=seed) for seed in (1, 1, 2))
    assert all_rows(once) == all_rows(again)
    assert all_rows(once) != all_rows(other)


def test_a_curriculum_goes_from_easy_to_hard(tmp_path: Path) -> None:
    sources = make_store(tmp_path, {"a": list(range(2, 17)) * 300})
    wanted = {"a": int(sources["a"].num_targets().sum())}

    def difficulty(curriculum: float) -> tuple[float, float]:
        rows = all_rows(order_of(sources, wanted, curriculum=curriculum))
        size = [np.mean([n for _, _, _, n in row]) for row in rows]
        return float(np.mean(size[: len(size) // 4])), float(np.mean(size[-len(size) // 4 :]))

    easy, hard = difficulty(1.0)
    assert hard > 2 * easy
    easy, hard = difficulty(0.0)
    assert abs(hard - easy) < 1


def test_a_truncated_store_is_one_sentence(tmp_path: Path) -> None:
    from trivium.errors import DataError

    make_store(tmp_path, {"a": [9, 30]})
    whole = (tmp_path / "a.ids").read_bytes()
    (tmp_path / "a.ids").write_bytes(whole[:-3])
    with pytest.raises(DataError, match="expected 78, run the tokenize stage again"):
        open_source(tmp_path, "a")
