"""The peers: cgcnn2, the maintained fork of the published code, and a network of PyTorch Geometric's CGConv."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cgcnn2.data import CIFData, collate_pool
from cgcnn2.model import CrystalGraphConvNet
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, Subset
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader as GeometricLoader
from torch_geometric.nn import CGConv, global_mean_pool

from cgcnn.training import TrainSettings, loss_function, one_cycle

Loader = DataLoader | GeometricLoader
Step = Callable[[nn.Module, Any], tuple[Tensor, Tensor]]  # of a batch: output (C,) and target (C,)


def cgcnn2_items(folder: Path) -> CIFData:
    """cgcnn2's data set with every item read, its edges expanded, as its training keeps them."""
    items = CIFData(str(folder))
    for k in range(len(items)):
        items[k]
    return items


def cgcnn2_net(n_conv: int = 3) -> CrystalGraphConvNet:
    return CrystalGraphConvNet(orig_atom_fea_len=92, nbr_fea_len=41, n_conv=n_conv)


def cgcnn2_loader(items: CIFData, chosen: np.ndarray, batch_size: int, shuffle: bool) -> DataLoader:
    return DataLoader(Subset(items, chosen.tolist()), batch_size, shuffle, collate_fn=collate_pool)


def cgcnn2_step(model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
    inputs, target, _ = batch
    return model(*inputs)[0].squeeze(1), target.squeeze(1)


class GeometricNet(nn.Module):
    """The gated network as PyTorch Geometric's users write it: embed, CGConv, mean, two linear layers."""

    def __init__(self, n_conv: int = 3, width: int = 64, hidden: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Linear(92, width)
        self.convs = nn.ModuleList(CGConv(width, dim=41, batch_norm=True) for _ in range(n_conv))
        self.hidden, self.head = nn.Linear(width, hidden), nn.Linear(hidden, 1)

    def forward(self, data: Any) -> Tensor:
        x = self.embedding(data.x)
        for conv in self.convs:
            x = softplus(conv(x, data.edge_index, data.edge_attr))
        x = softplus(global_mean_pool(x, data.batch, data.num_graphs))
        return self.head(softplus(self.hidden(x))).squeeze(1)


def geometric_items(items: CIFData) -> list[Data]:
    """cgcnn2's graphs as PyTorch Geometric's."""
    found = []
    for (atoms, edges, neighbours), target, _ in (items[k] for k in range(len(items))):
        n_sites, n_neighbours = neighbours.shape
        centres = torch.arange(n_sites).repeat_interleave(n_neighbours)
        index = torch.stack([neighbours.reshape(-1), centres])
        found.append(Data(x=atoms, edge_index=index, edge_attr=edges.reshape(len(centres), -1), y=target))
    return found


def geometric_loader(items: list[Data], chosen: np.ndarray, batch_size: int, shuffle: bool) -> GeometricLoader:
    return GeometricLoader([items[k] for k in chosen], batch_size, shuffle)


def geometric_step(model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
    return model(batch), batch.y


def train(
    model: nn.Module,
    loader: Loader,
    step: Step,
    epochs: int,
    target: Tensor,
    lr: float = 0.01,
    validation: Loader | None = None,
    settings: TrainSettings | None = None,
) -> None:
    """A loop over batches as the peers write it, with our recipe: AdamW, one cycle, clipping.

    Args:
        target: (C,) of the training crystals; the loss is on scaled targets.
        settings: loss and clipping, by default ours.
        validation: where given, the best epoch's weights are left in the model.
    """
    settings = settings or TrainSettings()
    loss_of = loss_function("regression", target.mean(), target.std(), settings)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    n_steps, done, best, kept = epochs * len(loader), 0, float("inf"), None
    for _ in range(epochs):
        model.train()
        for batch in loader:
            optimizer.param_groups[0]["lr"] = one_cycle(done, n_steps, lr)
            output, wanted = step(model, batch)
            loss = loss_of(output, wanted)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
            optimizer.step()
            loss.item()  # its loop sums the losses so
            done += 1
        if validation is not None:
            score = float(np.square(predict(model, validation, step, target) - targets(validation, step)).mean())
            if score < best:
                best, kept = score, {name: value.clone() for name, value in model.state_dict().items()}
    if kept is not None:
        model.load_state_dict(kept)


def predict(model: nn.Module, loader: Loader, step: Step, target: Tensor) -> np.ndarray:
    """What the model says of every crystal of the loader, in the target's unit."""
    model.eval()
    with torch.inference_mode():
        output = torch.cat([step(model, batch)[0] for batch in loader])
    return (output * target.std() + target.mean()).numpy()


def targets(loader: Loader, step: Step) -> np.ndarray:
    return torch.cat([batch[1].squeeze(1) if step is cgcnn2_step else batch.y for batch in loader]).numpy()
