"""Stable pseudo-random numbers: the same on every machine, library version and number of ranks."""

from __future__ import annotations

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def stable_seed(*parts: object) -> int:
    """A 64-bit number from any parts that print the same everywhere (numbers, texts)."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def unit_interval(*parts: object) -> float:
    """A number in [0, 1) from parts."""
    return stable_seed(*parts) / 2**64


def draws(seed: int, count: int) -> np.ndarray:
    """`count` 64-bit draws; entry i depends on the seed and i only (splitmix64 of a counter)."""
    with np.errstate(over="ignore"):
        x = np.uint64(seed % 2**64) + _GOLDEN * np.arange(1, count + 1, dtype=np.uint64)
        x = (x ^ (x >> np.uint64(30))) * _MIX[0]
        x = (x ^ (x >> np.uint64(27))) * _MIX[1]
        return x ^ (x >> np.uint64(31))


def uniforms(seed: int, count: int) -> np.ndarray:
    """`count` float64 numbers in [0, 1); entry i depends on the seed and i only."""
    return (draws(seed, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(seed: int, count: int) -> np.ndarray:
    """An order of range(count) drawn from the seed."""
    return np.argsort(draws(seed, count), kind="stable")
