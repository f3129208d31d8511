"""What can be typed after `trivium mix search`; apart from the other verbs for its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

Count = Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")]
Share = Annotated[float | None, tyro.conf.arg(metavar="X", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class MixSearchVerb:
    """Search the pretraining mixture that is best after fine-tuning; typed as `mix search`.

    Small proxies are pretrained on designed mixtures, each source cut down so that it is repeated as often as
    in the target, then fine-tuned alike and judged by the likelihood of held-out worked solutions. Laws are
    compared by leaving mixtures out; the chosen mixture is confirmed at a larger size with seeds, against the
    recipe's, equal shares and the optimum of the pretraining loss.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|RECIPE")] = "runs/pocket"
    """Folder of a finished run, which stays as it is; or a recipe, whose run is made first (to sft_data)."""
    out: Annotated[str | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Folder of the search, which goes on where it was cut short; RUN-mixture when not given."""
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Tiny sizes, to see in minutes that it runs; decides nothing."""
    proxy_tokens: Count = None
    """Tokens that a proxy is pretrained on; 500000 when not given."""
    proxy_hidden: Count = None
    """Width of a proxy; 64 when not given."""
    mixtures: Count = None
    """Mixtures of the first round; four for each source and four more when not given."""
    multiple: Share = None
    """Tokens of the confirmation over those of a proxy; 4 when not given."""
    confirm_seeds: Count = None
    """Seeds of every confirmed mixture; 5 when not given, 0 confirms nothing."""
    floor: Share = None
    """Least share of every source; .02 when not given."""
    max_epochs: Share = None
    """No source is repeated more often; 16 when not given."""
    settings: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE")
    ] = ()
    """Change one more size, e.g. --set floors='{"web": 0.1}', --set penalty=0.05, --set rounds=8,4."""
    workers: Annotated[int, tyro.conf.arg(metavar="N")] = 2
    """Processes; the results do not depend on it."""
    executor: Annotated[Literal["local", "ray"], tyro.conf.arg(metavar="EXECUTOR")] = "local"
    """local: processes of this machine; ray: a Ray cluster; the results do not depend on it."""
