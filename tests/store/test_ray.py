"""Shards on a Ray cluster of two nodes: the bytes of the process pool, also when workers or nodes die."""

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from trivium.curate.stage import CurateConfig, run
from trivium.errors import DataError, ResourceError
from trivium.store.executors import ray as ray_executor
from trivium.store.ledger import run_shards
from trivium.store.run import StageDir, hash_outputs

pytest.importorskip("ray", reason="ray is not installed: pip install 'trivium[ray]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # what ray says of itself
PROSE = "The {} keeps the order of its {}, because fairness matters to the {} and to all who read of it."
NOUNS = "queue list river garden letter market engine village harbour museum orchard teacher printer".split()


@pytest.fixture(scope="module")
def cluster():
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    before = os.environ.get("RAY_ADDRESS")
    os.environ["RAY_ADDRESS"] = made.address
    yield made
    ray.shutdown()
    made.shutdown()
    if before is None:
        del os.environ["RAY_ADDRESS"]
    else:
        os.environ["RAY_ADDRESS"] = before


def square(deadly: str, shard: int) -> dict[str, pa.Table]:
    """Kill its own worker the first time that shard 3 is worked on."""
    mark = Path(deadly)
    if shard == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"squares": pa.table({"n": [shard], "square": [shard * shard]})}


def slow(folder: str, shard: int) -> int:
    (Path(folder) / f"{shard}-{os.getpid()}").touch()
    time.sleep(0.3)
    return shard


def fail(shard: int) -> int:
    raise DataError(f"shard {shard}: got nothing; expected something, look again.")


def always_dies(shard: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return shard


def stage_at(path: Path, executor: str = "ray") -> StageDir:
    return StageDir(name="test", path=path, seed=0, workers=2, executor=executor)


def test_a_killed_worker_costs_a_retry_and_no_row(cluster, tmp_path):
    work = partial(square, str(tmp_path / "killed"))
    found = run_shards(stage_at(tmp_path / "ray"), "s", work, range(9))["squares"]
    assert (tmp_path / "killed").exists()
    pool = run_shards(stage_at(tmp_path / "pool", "local"), "s", work, range(9))["squares"]
    assert found.equals(pool) and found.column("n").to_pylist() == list(range(9))


def test_a_node_that_goes_in_mid_run_costs_no_item(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    found = []
    for index, result in ray_executor.as_finished(partial(slow, str(tmp_path)), range(12)):
        found.append((index, result))
        if len(found) == 2:
            cluster.remove_node(node, allow_graceful=False)
    assert sorted(found) == [(n, n) for n in range(12)]
    assert len({path.name.split("-")[1] for path in tmp_path.iterdir()}) >= 2


def test_an_error_of_a_shard_is_that_error(cluster):
    with pytest.raises(DataError, match="shard 0: got nothing"):
        list(ray_executor.as_finished(fail, range(1)))


def test_a_shard_that_kills_every_worker_is_one_sentence(cluster, monkeypatch):
    monkeypatch.setattr(ray_executor, "RETRIES", 1)
    with pytest.raises(ResourceError, match="died 2 times"):
        list(ray_executor.as_finished(always_dies, range(1)))


def test_curate_gives_the_same_bytes_as_the_process_pool(cluster, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    for name in range(6):
        rng = random.Random(name)
        said = (PROSE.format(*rng.sample(NOUNS, 3)) for _ in range(12))
        (tmp_path / "mine" / f"{name}.txt").write_text("\n\n".join(said))
    monkeypatch.chdir(tmp_path)  # relative paths mean the same on every node
    config = CurateConfig(installation=False, paths=("mine",), shard_documents=2)
    hashes = {}
    for executor in ("ray", "local"):
        stage = stage_at(Path(executor) / "curate", executor)
        run(config, stage)
        stage.write_drops()
        hashes[executor] = hash_outputs(stage.path)
    assert hashes["ray"] == hashes["local"] and "passages.parquet" in hashes["ray"]
