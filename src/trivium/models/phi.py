"""The Phi-3 architecture from one million parameters to the 14B of phi-4, as plain Hugging Face models.

Nothing here needs torch until `build` or `hf_config` is called, so plans can be priced on any machine.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

RMS_NORM_EPS = 1e-5
"""Source: config.json of microsoft/phi-4."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Shape of a `Phi3ForCausalLM`."""

    hidden: int = 128
    """Width of the residual stream."""
    layers: int = 4
    """Number of decoder layers."""
    heads: int = 2
    """Query heads; head size is hidden / heads."""
    kv_heads: int = 1
    """Key and value heads (grouped-query attention); divides heads."""
    ffn: int = 448
    """Width of the gated feed-forward layer; phi-4 uses 3.5 x hidden."""
    vocab: int = 1024
    """Rows of the embedding; a training stage sets it to the size of its tokenizer."""
    context: int = 256
    """Positions the model is trained on, in tokens."""
    rope_theta: float = 10_000.0
    """Base of the rotary position embedding."""
    tied: bool = True
    """Share the embedding with the output head; phi-4 does not."""

    def __post_init__(self) -> None:
        """Refuse shapes that Phi-3 cannot have."""
        if min(self.hidden, self.layers, self.heads, self.kv_heads, self.ffn, self.vocab, self.context) < 1:
            raise ConfigError(f"model: every size must be at least 1, got {self}.")
        if self.hidden % self.heads or (self.hidden // self.heads) % 2:
            raise ConfigError(
                f"model: hidden={self.hidden} over heads={self.heads} gives no even head size; "
                "choose hidden as a multiple of 2 x heads."
            )
        if self.heads % self.kv_heads:
            raise ConfigError(
                f"model: heads={self.heads} is no multiple of kv_heads={self.kv_heads}; "
                "each key head serves the same number of query heads."
            )

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SpecialIds:
    """Ids of the five special tokens that every Trivium model has."""

    endoftext: int
    im_start: int
    im_end: int
    im_sep: int
    pad: int

    @classmethod
    def at_end_of(cls, vocab: int) -> SpecialIds:
        """The last five ids of a vocabulary, where our tokenizers put them."""
        first = vocab - 5
        return cls(endoftext=first, im_start=first + 1, im_end=first + 2, im_sep=first + 3, pad=first + 4)


PREVIOUS_TOKEN_LAYER = ("model.layers.0.self_attn.",)
"""What `build(..., previous_token=True)` prepares and training must leave alone (`loop.frozen`)."""

PHI4_SPECIAL = SpecialIds(endoftext=100257, im_start=100264, im_end=100265, im_sep=100266, pad=100351)
"""phi-4 as corrected after release: padding is a token of its own (dummy_87), never the end."""

LADDER = {
    # Phi-4's proportions (ffn = 3.5 x hidden, depth and grouped queries growing with size), heads of 64, from
    # large on of 128, because inference servers accept them; phi-4 itself: config.json of microsoft/phi-4.
    "nano": ModelConfig(hidden=128, layers=4, heads=2, kv_heads=1, ffn=448, vocab=1024),
    "micro": ModelConfig(hidden=192, layers=6, heads=3, kv_heads=1, ffn=672, vocab=2048, context=512),
    "mini": ModelConfig(hidden=256, layers=8, heads=4, kv_heads=2, ffn=896, vocab=4096, context=512),
    "small": ModelConfig(hidden=512, layers=8, heads=8, kv_heads=2, ffn=1792, vocab=8192, context=1024),
    "base": ModelConfig(hidden=768, layers=12, heads=12, kv_heads=4, ffn=2688, vocab=32_768, context=2048),
    "medium": ModelConfig(hidden=1024, layers=24, heads=16, kv_heads=4, ffn=3584, vocab=32_768, context=4096),
    "large": ModelConfig(hidden=2048, layers=24, heads=16, kv_heads=4, ffn=7168, vocab=100_352, context=4096),
    "xl": ModelConfig(
        hidden=3072, layers=32, heads=24, kv_heads=6, ffn=10_752, vocab=100_352, context=4096, tied=False
    ),
    "xxl": ModelConfig(
        hidden=4096, layers=32, heads=32, kv_heads=8, ffn=14_336, vocab=100_352, context=4096, tied=False
    ),
    "phi-4": ModelConfig(
        hidden=5120,
        layers=40,
        heads=40,
        kv_heads=10,
        ffn=17_920,
        vocab=100_352,
        context=16_384,
        rope_theta=250_000.0,
        tied=False,
    ),
}


def count_parameters(config: ModelConfig, *, embeddings: bool = True) -> int:
    """Number of weights, without building the model.

    >>> count_parameters(ModelConfig(hidden=128, layers=4, heads=4, kv_heads=4, ffn=448))
    1082496

    Args:
        config: The shape.
        embeddings: Count the embedding and an untied head too.
    """
    d = config.hidden
    attention = d * (config.heads + 2 * config.kv_heads) * config.head_size + d * d
    feed_forward = 3 * d * config.ffn
    body = config.layers * (attention + feed_forward + 2 * d) + d
    tables = config.vocab * d * (1 if config.tied else 2)
    return body + (tables if embeddings else 0)


def flops_per_token(config: ModelConfig, context: int) -> float:
    """Training FLOPs for one token: 6 per weight that multiplies, plus causal attention at this context."""
    weights = count_parameters(config, embeddings=False) + config.vocab * config.hidden
    attention = 6 * config.layers * config.hidden * context
    return 6.0 * weights + attention


def hf_config(config: ModelConfig, special: SpecialIds | None = None) -> Phi3Config:
    """The Hugging Face configuration of this shape.

    Args:
        config: The shape.
        special: Ids of the special tokens; by default the last five of the vocabulary.
    """
    from transformers import Phi3Config

    special = special or SpecialIds.at_end_of(config.vocab)
    made = Phi3Config(
        vocab_size=config.vocab,
        hidden_size=config.hidden,
        intermediate_size=config.ffn,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        max_position_embeddings=config.context,
        # Equal to the maximum: a smaller value makes Phi3 throw its key-value cache away in generation.
        original_max_position_embeddings=config.context,
        rms_norm_eps=RMS_NORM_EPS,
        rope_parameters={
            "rope_theta": config.rope_theta,
            "rope_type": "default",
            "partial_rotary_factor": 1.0,
        },
        tie_word_embeddings=config.tied,
        bos_token_id=special.endoftext,
        eos_token_id=special.endoftext,
        pad_token_id=special.pad,
    )
    made._attn_implementation = "eager"
    return made


def shape_of(hf: Phi3Config) -> ModelConfig:
    """The shape that a Hugging Face Phi-3 configuration describes."""
    rope: dict[str, Any] = dict(hf.rope_parameters or {})
    return ModelConfig(
        hidden=hf.hidden_size,
        layers=hf.num_hidden_layers,
        heads=hf.num_attention_heads,
        kv_heads=hf.num_key_value_heads or hf.num_attention_heads,
        ffn=hf.intermediate_size,
        vocab=hf.vocab_size,
        context=hf.max_position_embeddings,
        rope_theta=float(rope.get("rope_theta", 10_000.0)),
        tied=hf.tie_word_embeddings,
    )


def build(
    config: ModelConfig, seed: int, special: SpecialIds | None = None, *, previous_token: bool = False
) -> Phi3ForCausalLM:
    """Make a freshly initialised model in float32; the same seed gives the same bits.

    Matrices that write into the residual stream (`o_proj`, `down_proj`) start at zero, so the network
    starts as its own embedding; the other matrices start at 1/sqrt(fan-in). (Zero output projections:
    modded-nanogpt and nanochat records.)

    Args:
        config: The shape.
        seed: Seed of a generator of its own; the global random state stays as it is.
        special: Ids of the special tokens; by default the last five of the vocabulary.
        previous_token: Start with a first layer that looks one token back; see models.previous_token.
    """
    import torch
    from transformers import Phi3ForCausalLM

    from trivium.models.previous_token import set_previous_token_layer

    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        model = Phi3ForCausalLM(hf_config(config, special))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            _initialise(name, weight, generator)
    if previous_token:
        set_previous_token_layer(model, generator)
    return model


def _initialise(name: str, weight: torch.Tensor, generator: torch.Generator) -> None:
    if weight.dim() == 1:
        weight.fill_(1.0)
    elif name.endswith(("o_proj.weight", "down_proj.weight")):
        weight.zero_()
    elif name.endswith(("embed_tokens.weight", "lm_head.weight")):
        weight.normal_(0.0, 0.02, generator=generator)
    else:
        weight.normal_(0.0, weight.shape[1] ** -0.5, generator=generator)
