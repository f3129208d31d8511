"""Out of core: the same duplicates as in memory, for any cut into shards and buckets; repeated substrings."""

import random

import pytest

from trivium.curate import dedup_shards, dedup_substring
from trivium.curate.dedup import find_duplicates
from trivium.curate.dedup_shards import deduplicate
from trivium.curate.dedup_substring import find_repeats, repeated_spans, spans_of, windows_of
from trivium.curate.edits import applied
from trivium.store.run import StageDir

WORDS = [f"word{i}" for i in range(500)]


def corpus() -> list[str]:
    rng = random.Random(3)
    originals = [" ".join(rng.choices(WORDS, k=rng.choice([3, 60, 140]))) for _ in range(60)]
    copies = []
    for text in originals[::2]:
        words = text.split()
        words[len(words) // 2] = "changed"
        copies += [" ".join(words), text.upper()]
    return [*originals, *copies, "", "?!", ""]


def part(texts: tuple[str, ...]) -> tuple[str, ...]:
    return texts


@pytest.mark.parametrize("size, bucket_keys", [(7, 8_000_000), (40, 300), (1_000, 1)])
def test_shards_and_buckets_do_not_change_the_result(tmp_path, monkeypatch, size, bucket_keys):
    texts = corpus()
    monkeypatch.setattr(dedup_shards, "BUCKET_KEYS", max(bucket_keys, 200))
    monkeypatch.setattr(dedup_shards, "PAIRS_A_SHARD", 10)
    stage = StageDir(name="s", path=tmp_path, seed=0)
    shards = [tuple(texts[i : i + size]) for i in range(0, len(texts), size)]
    found = deduplicate(stage, shards, part, 0.8)
    expected = find_duplicates(texts, 0.8)
    assert [(d.index, d.kept) for d in found] == [(d.index, d.kept) for d in expected]
    assert len(found) > 50 and {d.exact for d in found} == {True, False}


def test_a_killed_call_goes_on_from_its_runs(tmp_path):
    texts = corpus()
    stage = StageDir(name="s", path=tmp_path, seed=0)
    shards = [tuple(texts[i : i + 30]) for i in range(0, len(texts), 30)]
    with pytest.raises(RuntimeError):
        deduplicate(stage, shards, breaks_at_the_last, 0.8)
    assert len(list((stage.scratch / dedup_shards.RUNS).glob("*.keys.npy"))) == len(shards) - 1
    assert deduplicate(stage, shards, part, 0.8) == deduplicate(
        StageDir(name="t", path=tmp_path / "t", seed=0), shards, part, 0.8
    )


def breaks_at_the_last(texts: tuple[str, ...]) -> tuple[str, ...]:
    if texts[-1] == "":
        raise RuntimeError("killed")
    return texts


def test_no_documents_have_no_duplicates(tmp_path):
    assert deduplicate(StageDir(name="s", path=tmp_path, seed=0), [], part, 0.8) == []


def test_repeated_words_are_cut_and_their_first_place_stays():
    rng = random.Random(1)
    run = " ".join(rng.choices(WORDS, k=60))
    first, second = f"Start. {run}; the end.", f"Other words: {run.upper()}! Another end."
    spans = repeated_spans([first, second, f"{run} {run}", "", "short"])
    assert spans[0] == [] and spans[3:] == [[], []]
    assert applied(second, [(a, b, "") for a, b in spans[1]]) == "Other words: ! Another end."
    assert applied(f"{run} {run}", [(a, b, "") for a, b in spans[2]]) == ""
    fewer = " ".join(run.split()[:49])
    assert repeated_spans([first, f"a {fewer} b"])[1] == []


def test_windows_do_not_run_across_texts():
    run = [f"w{i}" for i in range(100)]
    assert repeated_spans([" ".join(run), " ".join(run[:30]), " ".join(run[30:75])]) == [[], [], []]


@pytest.mark.parametrize("size, bucket", [(4, 1_000_000), (9, 50), (1_000, 7)])
def test_repeats_are_the_same_out_of_core(tmp_path, monkeypatch, size, bucket):
    monkeypatch.setattr(dedup_substring, "BUCKET_WINDOWS", bucket)
    rng = random.Random(4)
    runs = [" ".join(rng.choices(WORDS, k=15)) for _ in range(6)]
    texts = [
        f"{' '.join(rng.choices(WORDS, k=20))} {rng.choice(runs)}. {rng.choice(runs)}" for _ in range(30)
    ]
    texts[3:3] = ["", "short", "Stra\u0130e " + runs[0]]
    stage = StageDir(name="s", path=tmp_path, seed=0)
    shards = [tuple(texts[i : i + size]) for i in range(0, len(texts), size)]
    repeats = find_repeats(stage, shards, part, 10)
    found = [
        spans
        for number, shard in enumerate(shards)
        for spans in spans_of(shard, windows_of(shard, 10), repeats.of(number), 10)
    ]
    assert found == repeated_spans(texts, 10)
    assert sum(map(bool, found)) > 20
