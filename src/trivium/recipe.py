"""A recipe: one typed value that says everything a run does.

Recipes are Python functions that return a `Recipe` (see the `recipes` folder); there is no file format of
our own. The resolved recipe is stored in the run folder as JSON and reads back the same.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium.align.judge_stage import JudgeConfig
from trivium.align.sft_data_stage import SFTDataConfig
from trivium.config import from_dict, override
from trivium.curate.decontaminate_stage import DecontaminateConfig
from trivium.curate.stage import CurateConfig
from trivium.errors import ConfigError
from trivium.evaluate.guard_stage import GuardConfig
from trivium.evaluate.items_stage import ItemsConfig
from trivium.evaluate.stage import EvaluateConfig
from trivium.mix.stage import MixConfig
from trivium.models.cost import Expected
from trivium.pivotal.export_stage import ExportConfig
from trivium.pivotal.stage import PivotalConfig
from trivium.report.stage import ReportConfig
from trivium.store import files
from trivium.synthesize.stage import SynthesizeConfig
from trivium.train.dpo_stage import DPOConfig
from trivium.train.midtrain_stage import MidtrainConfig
from trivium.train.pretrain_stage import PretrainConfig
from trivium.train.sft_stage import SFTConfig
from trivium.train.tokenize_stage import TokenizeConfig


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Every stage's configuration, and which stages run."""

    name: str
    """Names the run folder: runs/<name>."""
    seed: int = 0
    """Seeds everything."""
    workers: int = 2
    """Processes for sharded work; results do not depend on it."""
    stages: tuple[str, ...]
    """Names of the stages to run; the order is always that of trivium.pipeline.STAGES."""
    curate: CurateConfig
    items: ItemsConfig
    synthesize: SynthesizeConfig
    decontaminate: DecontaminateConfig
    tokenize: TokenizeConfig
    mix: MixConfig
    pretrain: PretrainConfig
    midtrain: MidtrainConfig
    sft_data: SFTDataConfig
    sft: SFTConfig
    pivotal: PivotalConfig
    dpo1: DPOConfig
    judge: JudgeConfig
    dpo2: DPOConfig
    evaluate: EvaluateConfig
    report: ReportConfig
    export: ExportConfig = ExportConfig()
    guard: GuardConfig = GuardConfig()
    expected: Expected = Expected()
    """What `trivium plan` assumes of data that is not made yet; no stage reads it."""

    def stage_config(self, stage: str) -> Any:
        """Return the configuration of a stage by its name."""
        return getattr(self, stage)


CHECKOUT = Path(__file__).resolve().parents[2]
"""The repository, where this package lies in one."""


def shipped_folder() -> Path:
    """Return the folder of the recipes that come with Trivium: the checkout's, or the one in the wheel."""
    packaged = Path(__file__).resolve().parent / "recipes"
    return packaged if packaged.is_dir() else CHECKOUT / "recipes"


def shipped(name: str) -> Recipe:
    """Return a recipe that comes with Trivium, to start one's own from.

    >>> shipped("pocket").sft.epochs
    2.0
    >>> shipped("ladder:mini").name
    'mini'

    Args:
        name: File name without its ending; `ladder:mini` takes the function mini of ladder.py.
    """
    stem, _, maker = name.partition(":")
    return load(f"{shipped_folder() / stem}.py{f':{maker}' if maker else ''}")


def load(path: Path | str) -> Recipe:
    """Read a recipe from a Python file with a `recipe()` function, or from a run's recipe.json.

    Args:
        path: The file; `FILE.py:NAME` takes its function NAME instead of `recipe`.

    Raises:
        ConfigError: The file is missing, has no such function, or is not a recipe.
    """
    stem, _, maker = str(path).partition(".py:")
    if maker:
        return _load_python(_existing(Path(f"{stem}.py")), maker)
    found = _existing(Path(path))
    if found.is_dir():
        found = found / "recipe.json"
    if found.suffix == ".json":
        return from_dict(Recipe, files.read_json(found), str(found))
    return _load_python(found, "recipe")


def _existing(file: Path) -> Path:
    if not file.exists():
        near = _neighbours(file)
        raise ConfigError(f"{file}: got no such recipe; expected a .py file or a recipe.json{near}.")
    return file


def load_with(path: Path | str, settings: Sequence[str]) -> Recipe:
    """Read a recipe and apply `key=value` settings, e.g. `pivotal.rollouts=32`, in order."""
    return with_settings(load(path), settings)


def blank(**fields: Any) -> Recipe:
    """Return a recipe with every stage at its default, for runs of a few stages that need no recipe file."""
    hints = typing.get_type_hints(Recipe)
    missing = {
        field.name: hints[field.name]()
        for field in dataclasses.fields(Recipe)
        if field.default is dataclasses.MISSING and field.name not in fields
    }
    return Recipe(**missing, **fields)


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Apply `key=value` settings, e.g. `pivotal.gap=0.3`, in order."""
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign:
            raise ConfigError(f"--set {setting}: got no '='; expected KEY=VALUE, e.g. --set seed=1.")
        recipe = override(recipe, key.strip(), value.strip())
    return recipe


def _load_python(file: Path, name: str) -> Recipe:
    spec = importlib.util.spec_from_file_location(f"recipe_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file}: got a file Python cannot load; expected a .py recipe.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, TypeError) as error:
        raise ConfigError(
            f"{file}: got {type(error).__name__}: {error}; expected a loadable recipe."
        ) from error
    maker = getattr(module, name, None)
    if not callable(maker):
        raise ConfigError(f"{file}: got no function {name}(); expected one that returns a trivium Recipe.")
    made = maker()
    if not isinstance(made, Recipe):
        raise ConfigError(f"{file}: {name}() got {type(made).__name__}; expected a trivium.recipe.Recipe.")
    return made


def _neighbours(file: Path) -> str:
    folder = file.parent if file.parent.exists() else Path("recipes")
    names = sorted(str(p) for p in folder.glob("*.py"))[:8] if folder.exists() else []
    return f" (here are {', '.join(names)})" if names else ""
