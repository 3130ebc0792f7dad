"""The optimizer against torch's own class."""

import subprocess
import sys

import torch

from cgcnn.optimizer import AdamW

RATES = [0.01, 0.03, 0.001, 0.02]


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in ((5, 3), (7,), ())]


def give_gradients(some: list[torch.nn.Parameter], step: int) -> None:
    torch.manual_seed(step + 1)
    for parameter in some:
        parameter.grad = torch.randn_like(parameter)


def test_steps_are_torchs_bit_for_bit() -> None:
    ours, theirs = parameters(), parameters()
    mine, reference = AdamW(ours, weight_decay=0.1), torch.optim.AdamW(theirs, weight_decay=0.1, fused=True)
    for step, lr in enumerate(RATES):
        give_gradients(ours, step)
        give_gradients(theirs, step)
        reference.param_groups[0]["lr"] = lr
        mine.step(lr)
        reference.step()
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)), step
    assert all(parameter.grad is None for parameter in ours)


def test_a_restored_state_goes_on_bit_for_bit() -> None:
    whole, stopped = parameters(), parameters()
    first, second = AdamW(whole, weight_decay=0.1), AdamW(stopped, weight_decay=0.1)
    for step, lr in enumerate(RATES):
        if step == 2:
            kept = second.state()
            second = AdamW(stopped, weight_decay=0.1)
            second.restore(kept)
        for some, optimizer in ((whole, first), (stopped, second)):
            give_gradients(some, step)
            optimizer.step(lr)
    assert all(torch.equal(a, b) for a, b in zip(whole, stopped, strict=True))


def test_torchs_compiler_is_not_imported() -> None:
    """It would double the time that a training job takes to start."""
    program = (
        "import sys, torch; from cgcnn.optimizer import AdamW; p = [torch.nn.Parameter(torch.ones(2))];"
        "p[0].grad = torch.ones(2); AdamW(p, 0.1).step(0.1); sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
