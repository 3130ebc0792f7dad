"""The emulation of a GPU's TF32, against what is known of that format."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import linear

from benchmarks.precision import BF16, TF32, RoundedProducts, rounded


@given(st.floats(2.0**-100, 2.0**100, width=32))
def test_ten_bits_are_kept(value: float) -> None:
    given = torch.tensor([value])
    kept = rounded(given, TF32)
    assert (kept - given).abs() <= 2.0**-11 * given.abs()
    torch.testing.assert_close(rounded(kept, TF32), kept, rtol=0, atol=0)
    assert int(kept.view(torch.int32)) % 2**13 == 0


def test_seven_bits_are_bfloat16() -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rounded(values, BF16), values.bfloat16().float(), rtol=2.0**-7, atol=0)
    assert (rounded(values, BF16) == values.bfloat16().float()).float().mean() > 0.999  # halves go elsewhere


def test_products_forward_and_backward_are_of_rounded_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    x, bias = torch.randn(50, 64, generator=generator), torch.randn(8, generator=generator)
    weight = torch.randn(8, 64, generator=generator, requires_grad=True)
    with RoundedProducts(TF32):
        out = linear(x, weight, bias)
        out.square().sum().backward()
    expected = rounded(x, TF32) @ rounded(weight.detach(), TF32).T + bias
    torch.testing.assert_close(out.detach(), expected, rtol=0, atol=1e-5)
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, rounded(2 * out.detach(), TF32).T @ rounded(x, TF32), rtol=1e-5, atol=1e-3)
