"""AdamW whose state is plain tensors."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.optim.adamw import adamw

_BETAS = (0.9, 0.999)
_EPS = 1e-8


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019); the numbers of torch.optim.AdamW, bit for bit.

    The steps are torch's own fused function. Its class would import torch's compiler first, which takes as long as
    torch itself: half of a short training's start.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], weight_decay: float) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self.weight_decay = weight_decay
        device = self.parameters[0].device
        self.moments = {
            "exp_avg": [torch.zeros_like(parameter) for parameter in self.parameters],
            "exp_avg_sq": [torch.zeros_like(parameter) for parameter in self.parameters],
            "step": [torch.zeros((), device=device) for _ in self.parameters],
        }

    def step(self, lr: float | Tensor) -> None:
        """Take one step along the gradients at learning rate `lr`, a tensor () in a recorded step; forget them then."""
        with torch.no_grad():
            adamw(
                self.parameters,
                [parameter.grad for parameter in self.parameters if parameter.grad is not None],
                self.moments["exp_avg"],
                self.moments["exp_avg_sq"],
                [],
                self.moments["step"],
                amsgrad=False,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                lr=lr,
                weight_decay=self.weight_decay,
                eps=_EPS,
                maximize=False,
                fused=True,
            )
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """A copy of the moments: `{moment}.{index of the parameter}` -> tensor."""
        return {f"{name}.{k}": value.clone() for name, values in self.moments.items() for k, value in enumerate(values)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a state that `state` gave."""
        for name, values in self.moments.items():
            for k, value in enumerate(values):
                value.copy_(state[f"{name}.{k}"])
