"""What the pages say, and where their numbers come from."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from trivium.errors import DataError
from trivium.store import files
from trivium.store.lineage import Node
from trivium.store.progress import PROGRESS_FILE, SilentProgress, WrittenProgress, write_started
from trivium.view import live
from trivium.view.agreement import agree, best_cut
from trivium.view.labels import FILE, Label, Labels
from trivium.view.pages import evaluation, review, trace
from trivium.view.query import Query
from trivium.view.queues import QUEUES
from trivium.view.rollout_tree import Path as Way
from trivium.view.rollout_tree import grow


def working(run, name="14-dpo2"):
    """Turn a stage of the small run into one at work in this process."""
    recipe = files.read_json(run / "recipe.json")
    files.write_json(run / "recipe.json", recipe | {"stages": [*recipe["stages"], "dpo2", "report"]})
    files.write_json(run / name / "started.json", {})
    return run / name


def test_progress_is_written_for_whoever_watches(tmp_path):
    write_started(tmp_path / "scratch", "sft")
    work = live.read_work(tmp_path)
    assert (work.label, work.total, work.alive, work.left_seconds) == ("sft", 0, True, None)
    with WrittenProgress(SilentProgress(), tmp_path / "scratch", "train", 100, "steps") as bar:
        bar.resume(40)
        bar.advance(10)
        bar.note("loss 2.0")
    facts = files.read_json(tmp_path / "scratch" / PROGRESS_FILE)
    assert (facts["done"], facts["done_at_start"], facts["words"]) == (50, 40, "loss 2.0")
    assert facts["pid"] == os.getpid() and facts["peak_memory_mib"] > 10


def test_rate_and_time_left_leave_out_what_an_earlier_start_did(tmp_path):
    facts = {"label": "train", "total": 100, "unit": "steps", "done": 50, "words": "", "done_at_start": 40,
             "started": 1000.0, "updated": 1005.0, "pid": os.getpid(), "peak_memory_mib": 7}  # fmt: skip
    files.write_json(tmp_path / "scratch" / PROGRESS_FILE, facts)
    work = live.read_work(tmp_path, now=1006.0)
    assert (work.rate, work.left_seconds, work.seconds, work.share) == (2.0, 24.0, 6.0, 0.5)


def test_a_stage_is_running_only_while_its_process_lives(run):
    folder = working(run)
    write_started(folder / "scratch", "dpo2")
    states = {state.name: state.state for state in live.stages(live.Run.open(run))}
    assert states["curate"] == "done" and states["dpo2"] == "running" and states["report"] == "waiting"
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    facts = files.read_json(folder / "scratch" / PROGRESS_FILE) | {"pid": int(gone.stdout)}
    files.write_json(folder / "scratch" / PROGRESS_FILE, facts)
    states = {state.name: state.state for state in live.stages(live.Run.open(run))}
    assert states["dpo2"] == "stopped"


def test_losses_of_a_training_that_goes_on_are_those_of_its_log(tmp_path):
    torch = pytest.importorskip("torch")
    from trivium.train import trackers
    from trivium.train.loop import History

    history = History.empty(10, 2)
    history.stats_SG2[:4, 0] = torch.tensor([6.0, 2.0], dtype=torch.float64)
    log = trackers.JsonLines(tmp_path / live.STEPS_FILE, 0)
    for step in range(4):
        log.log(step, trackers.numbers_of(history, step, ("web", "code")))
    log.stream.write('{"step": 4, "tar')
    log.close()
    rows = live.losses_so_far(tmp_path)
    assert [(row["step"], row["tokens"], row["source"], row["loss"]) for row in rows] == [
        (step, 2 * (step + 1), "web", 3.0) for step in range(4)
    ]


def test_a_pipeline_leaves_word_of_the_stage_at_work(tmp_path, monkeypatch):
    from trivium import pipeline

    seen = []

    def look(config, stage):
        seen.append(live.read_work(stage.path))
        return {}

    monkeypatch.setattr("trivium.curate.stage.run", look)
    recipe = __import__("trivium.recipe", fromlist=["load"]).load("recipes/pocket.py")
    pipeline.run(recipe, tmp_path / "run", stop="curate", say=lambda line: None)
    assert (seen[0].label, seen[0].alive) == ("curate", True)
    assert not (tmp_path / "run" / "01-curate" / "scratch").exists()


def test_a_row_is_followed_back_to_its_bytes_and_on_to_where_it_was_trained(served):
    text = served.ask("/trace?id=" + "a" * 20)[2]
    order = ["example", "call", "passage", "document"]
    places = [text.index(f"<h3>{word}") for word in order]
    assert places == sorted(places)
    assert "python:Lib/x.py, bytes 0 to" in text and "licence PSF-2.0" in text
    assert "7 tokens" in text and "pretrain went 2.00 times through this source" in text


def test_what_names_a_row_is_found(site):
    found = {(use["table"], use["column"]): use["total"] for use in trace.uses(site, f"b{119:019d}")}
    assert found == {("03-synthesize/calls", "parents"): 1, ("01-curate/passages", "id"): 1}


def test_a_rollout_counts_only_where_it_was_drawn_not_where_it_was_put():
    ways = [Way((4, 5), 0, "right"), Way((4, 6), 0, "wrong"), Way((7,), 0, "wrong"),
            Way((4, 5), 1, "right"), Way((4, 5), 1, "right")]  # fmt: skip
    root = grow(ways, lambda ids: ",".join(map(str, ids)))
    assert (root.text, root.num_right, root.num_rollouts) == ("", 1, 3)
    four, seven = root.branches
    assert (four.text, four.num_right, four.num_rollouts) == ("4", 3, 4)
    assert (seven.text, seven.prob, seven.shade) == ("7", 0.0, "p0")
    assert [(b.text, b.num_right, b.num_rollouts) for b in four.branches] == [("5", 3, 3), ("6", 0, 1)]


def test_checkpoints_are_compared_item_by_item(site):
    log = evaluation.log_table(site)
    found = evaluation.compare(site, log, Query([("kind", "gained"), ("a", "sft"), ("b", "dpo1")]))
    assert (found["total"], found["fitting"], found["difference"][0]) == (2, 1, 0.5)
    assert found["items"][0]["id"] == "0" * 20
    whole = evaluation.compare(site, log, Query([("kind", "all")]))
    assert [item["prompt"] for item in whole["items"]] == ["", "What is 6 x 7?"]
    assert dict(whole["moves"]) == {("right", "right"): 1, ("wrong", "right"): 1}


def test_labels_are_lines_that_outlive_a_kill(tmp_path):
    labels = Labels(tmp_path)
    labels.add(Label(queue="seeds", id="a", answer="yes", note="\u202e"))
    labels.add(Label(queue="seeds", id="b", answer="no"))
    labels.add(Label(queue="calls", id="a", answer="no"))
    with open(tmp_path / FILE, "a") as file:
        file.write('{"queue": "seeds", "id": "c", "an')  # a kill in the middle of a line
    assert {key: one.answer for key, one in labels.all("seeds").items()} == {"a": "yes", "b": "no"}
    labels.add(Label(queue="seeds", id="a", answer="unsure"))
    labels.add(Label(queue="seeds", id="b", answer=""))
    assert {key: one.answer for key, one in Labels(tmp_path).all("seeds").items()} == {"a": "unsure"}
    assert all(json.loads(line)["time"] > 0 for line in (tmp_path / FILE).read_text().splitlines())
    with pytest.raises(DataError, match="expected one of yes, no, unsure"):
        labels.add(Label(queue="seeds", id="a", answer="maybe"))


def test_agreement_by_hand():
    pairs = [(True, True)] * 6 + [(True, False)] * 2 + [(False, True)] + [(False, False)] * 3
    found = agree(pairs)
    assert (found.yes_yes, found.yes_no, found.no_yes, found.no_no) == (6, 2, 1, 3)
    assert found.share == 0.75
    chance = (8 * 7 + 4 * 5) / 144
    assert found.kappa == pytest.approx((0.75 - chance) / (1 - chance))
    assert agree([(True, True)]).kappa is None and agree([]).share == 0.0


def test_the_best_cut_is_where_a_person_changes_their_mind():
    scored = [(i / 20, i >= 13) for i in range(20)]
    cut = best_cut(scored)
    assert (cut.score, cut.agreement.share) == (13 / 20, 1.0)
    assert best_cut(scored[:9]) is None and best_cut([(0.1, True)] * 20) is None


def test_reviewing_keeps_labels_and_shows_agreement_only_afterwards(site):
    page = review.show(site, Query([]))
    assert "Nothing labelled" in page and "said <strong>" not in page
    queue = QUEUES["seeds"]
    for _ in range(12):
        table = site.tables.open("01-curate/passages")
        row_id = review.desk(site, queue, table, None)["row_id"]
        answer = "yes" if int(row_id[1:]) >= 60 else "no"  # as the tags were given
        text = review.label(site, Query([("queue", "seeds"), ("id", row_id), ("answer", answer)]))
        assert f"said <strong>{answer}</strong>" in text
    assert "100.0 %" in text and "Calibration: quality" in text
    assert len((site.run.path / FILE).read_text().splitlines()) == 12
    undone = review.label(site, Query([("queue", "seeds"), ("answer", "undo")]))
    assert "11 labelled" in undone
    with pytest.raises(DataError, match="a row's id"):
        review.label(site, Query([("queue", "seeds"), ("id", "nothing"), ("answer", "yes")]))


def test_every_part_of_a_run_may_be_missing(tmp_path):
    from contextlib import closing

    from trivium.view import routes
    from trivium.view.site import Site

    files.write_json(tmp_path / "recipe.json", {"name": "empty", "stages": ["curate"]})
    with closing(Site.open(tmp_path)) as site:
        for address, show in routes.PAGES.items():
            if address != "/row":
                assert "<h1>" in show(site, Query([]))


def test_a_parent_on_another_branch_is_not_called_lost(site):
    passage = Node("p", "curate", "passages", {"id": "p"})
    call = Node("c", "synthesize", "calls", {"id": "c", "parents": ["p", "gone"]})
    example = Node("e", "synthesize", "examples", {"id": "e", "parents": ["p", "c"]}, [passage, call])
    shown = trace._shown(site, example, set(trace.ids_of(example)))
    assert (shown["elsewhere"], shown["missing"]) == ([], [])
    assert (shown["parents"][1]["elsewhere"], shown["parents"][1]["missing"]) == (["p"], ["gone"])


def test_items_are_found_by_words_of_question_and_reply(site):
    log = evaluation.log_table(site)

    def ids(words):
        return [
            item["id"]
            for item in evaluation.compare(site, log, Query([("kind", "all"), ("q", words)]))["items"]
        ]

    assert ids("6 x 7?") == ["e" * 20]
    assert ids("SCRIPT") == ["0" * 20, "e" * 20] and ids("script nowhere") == []


def test_people_label_apart_and_their_agreement_is_shown(site):
    answers = {"ann": ["yes"] * 8 + ["no"] * 4, "bob": ["yes"] * 6 + ["no"] * 6}
    for name, said in answers.items():
        for answer in said:
            table = site.tables.open("01-curate/passages")
            row_id = review.desk(site, QUEUES["seeds"], table, None, name)["row_id"]
            words = [("queue", "seeds"), ("id", row_id), ("answer", answer), ("by", name)]
            text = review.label(site, Query(words))
    assert "ann: <strong>83.3 %</strong> of 12 rows" in text and "bob:" not in text
    assert "Agreement with other people" not in review.show(site, Query([("by", "cat")]))
    review.label(site, Query([("queue", "seeds"), ("answer", "undo"), ("by", "bob")]))
    assert {name: len(rows) for name, rows in Labels(site.run.path).people("seeds").items()} == {
        "ann": 12,
        "bob": 11,
    }


def test_the_losses_of_a_run_beside_are_drawn_dotted_in_the_same_chart(site, tmp_path):
    from trivium.store.run import Run
    from trivium.view.pages import run as run_page

    other = tmp_path / "other"
    shutil.copytree(site.run.path, other)
    alone = run_page.figures(site, [])["loss-base"]["data"]
    site.beside = Run.open(other)
    both = run_page.figures(site, [])["loss-base"]["data"]
    assert [line["name"] for line in both] == ["web", "web, other"]
    assert [line["line"]["dash"] for line in both] == ["solid", "dot"]
    assert both[0] == alone[0] and both[1]["y"] == alone[0]["y"]
    assert both[0]["line"]["color"] == both[1]["line"]["color"]
