"""What training costs, against numbers that are known."""

import pytest

from trivium.models.cost import GPUS, REFERENCE, Phase, gpu_hours, memory_per_gpu, phase_flops
from trivium.models.phi import LADDER, count_parameters

PHI4 = LADDER["phi-4"]


def phase(**changes) -> Phase:
    settings = {"name": "p", "tokens": 1e9, "context": 4096, "learning_rate": 3e-4, "weight_decay": 0.1}
    return Phase(**(settings | {"batch": 8, "rope_theta": 1e4} | changes))


def test_phi4_has_its_published_size():
    assert count_parameters(PHI4) == 14_659_507_200  # the safetensors index of microsoft/phi-4 says 14.7B


def test_flops_are_six_a_weight_and_token_plus_attention():
    without = 6 * (count_parameters(PHI4) - PHI4.vocab * PHI4.hidden) * 1e9
    assert phase_flops(PHI4, phase(context=1)) == pytest.approx(without, rel=1e-4)
    attention = 6 * PHI4.layers * PHI4.hidden * 4096 * 1e9
    assert phase_flops(PHI4, phase()) == pytest.approx(without + attention, rel=1e-6)


def test_a_preference_token_costs_a_third_more():
    assert phase_flops(PHI4, phase(passes=4 / 3)) == pytest.approx(4 / 3 * phase_flops(PHI4, phase()))


def test_hours_follow_from_peak_and_share():
    assert gpu_hours(REFERENCE.peak_flops * 3600, REFERENCE, 1.0) == pytest.approx(1)
    assert gpu_hours(REFERENCE.peak_flops * 3600, REFERENCE, 0.25) == pytest.approx(4)


def test_memory_falls_with_the_number_of_gpus_down_to_what_is_not_sharded():
    one, many, more = (memory_per_gpu(PHI4, gpus, 4096) for gpus in (1, 64, 10**6))
    assert one > many > more > 0
    assert one - many == pytest.approx(16 * count_parameters(PHI4) * (1 - 1 / 64))


def test_memory_grows_with_the_context():
    assert memory_per_gpu(PHI4, 64, 16_384) > memory_per_gpu(PHI4, 64, 4096)


def test_the_14b_does_not_fit_one_gpu_and_fits_a_cluster():
    largest = max(gpu.memory_gib for gpu in GPUS) * 2**30
    assert memory_per_gpu(PHI4, 1, 4096) > largest
    assert memory_per_gpu(PHI4, 1920, 16_384) < REFERENCE.memory_gib * 2**30
