# %% [markdown]
# # 3 · Training
#
# **You will** write the parts of training that go wrong most often, know what a loss must be before it has learned
# anything, make a network learn sixteen crystals by heart, and then compare the three convolutions fairly.
#
# **Time:** about 90 minutes for you, three minutes for two processor cores. **Points:** 24.
#
# The targets are formation energies of hypothetical perovskites, labelled by the CHGNet potential, *not* by DFT: good
# for comparing networks, not for statements about a material.

# %% setup="course"

# %%
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from cgcnn.elements import feature_table
from cgcnn.model import ModelSettings
from cgcnn.tensors import PackedGraphs
from cgcnn.training import TrainSettings, new_model, outputs, train
from homework import checks, course

torch.set_num_threads(1)  # the arrays are small: more threads wait for each other
perovskites = course.perovskites()
perovskites.table.head()

# %% [markdown]
# ## 3.1 What must the loss be before training? (4 points)
#
# A network that knows nothing gives both classes the same chance, so that its negative log-likelihood is $\ln 2 =
# 0.693$. If yours begins elsewhere, something is wrong before training has begun. Write the loss, from **logits**
# (any real numbers), for $p = \mathrm{softmax}(\text{logits})$: the mean of $-\ln p_\text{true class}$. It must
# survive logits of $\pm 900$.


# %% exercise="nll"
def nll(logits, classes):
    """Mean negative log-likelihood, in nats, of the classes (C,), 0 or 1, under logits (C, 2)."""
    ### BEGIN SOLUTION
    log_p = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    return -log_p[torch.arange(len(logits)), classes].mean()
    ### END SOLUTION


# %% check="nll" points=4
assert math.isclose(nll(torch.zeros(5, 2), torch.tensor([0, 1, 1, 0, 1])), math.log(2), rel_tol=1e-6), (
    "two equal logits cost ln 2"
)
checks.nll(nll)

# %% [markdown]
# ## 3.2 And for a regression? (3 points)
#
# The best that a network can say without looking is the mean; its mean squared error is then the variance. Targets
# are scaled to mean 0 and deviation 1, so that the loss should begin near **1**. The scale belongs to what is
# learned: fit it to the *training* targets alone.


# %% exercise="scale"
def scale(target, train):
    """Targets (C,) on a scale on which the training ones have mean 0 and deviation 1.

    Args:
        target: (C,) eV/atom, of all crystals.
        train: (T,) int, which of them are for training.

    Returns:
        scaled (C,), mean (), deviation ().
    """
    ### BEGIN SOLUTION
    mean, deviation = target[train].mean(), target[train].std()
    return (target - mean) / deviation, mean, deviation
    ### END SOLUTION


# %% check="scale" points=3
checks.scale(scale)

# %% [markdown]
# Look at real networks before their first step, in training mode: each starts near 1.

# %%
data = perovskites.example()
graphs = PackedGraphs(perovskites.graphs())
features = torch.tensor(feature_table())
scaled, mean, deviation = scale(data.target, data.train)
print(f"variance of the scaled training targets: {scaled[data.train].var():.3f}")
for conv in ("none", "shared", "gated"):
    fresh = new_model(ModelSettings(conv, "regression"), features, data, seed=0)
    with torch.no_grad():
        loss = ((fresh(graphs.batch(data.train)) - scaled[data.train]) ** 2).mean()
    print(f"{conv:7} loss before training {loss:.3f}")

# %% [markdown]
# ## 3.3 One step (5 points)
#
# Training repeats one step: put the network into training mode, ask it, take the mean squared error, clear the old
# gradients, get the new ones, and let the optimizer move the weights. Return the loss *before* the move, as a plain
# number.


# %% exercise="train_step"
def train_step(model, optimizer, batch, target):
    """One step of training on the mean squared error.

    Args:
        model: a torch module; model(batch) is (C,).
        optimizer: of its parameters.
        batch: what the model takes.
        target: (C,), on the model's scale.

    Returns:
        The loss before the step, a float.
    """
    ### BEGIN SOLUTION
    model.train()
    loss = ((model(batch) - target) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% check="train_step" points=5
checks.train_step(train_step)

# %% [markdown]
# **The best test of a new network:** can it learn sixteen crystals by heart? If not, no amount of data will help. Its
# loss must fall by orders of magnitude.

# %%
few = data.train[:16]
fig, ax = plt.subplots(figsize=(7, 3.2))
for conv in ("none", "shared", "gated"):
    model = new_model(ModelSettings(conv, "regression"), features, data, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    batch = graphs.batch(few)
    ax.semilogy([train_step(model, optimizer, batch, scaled[few]) for _ in range(150)], label=conv)
ax.axhline(1, color="grey", linewidth=0.7)
ax.set(xlabel="step", ylabel="mean squared error (scaled)", title="Sixteen crystals by heart")
ax.legend()
plt.show()

# %% [markdown]
# ## 3.4 An error with a unit (3 points)
#
# Nobody can judge an error of 0.1 "on the scale of training". Give the mean absolute error in eV/atom.


# %% exercise="mean_absolute_error"
def mean_absolute_error(output, target, mean, deviation):
    """Mean absolute error in eV/atom.

    Args:
        output: (C,) of the network, on the scale of training.
        target: (C,) eV/atom.
        mean, deviation: eV/atom, of that scale.
    """
    ### BEGIN SOLUTION
    return (output * deviation + mean - target).abs().mean()
    ### END SOLUTION


# %% check="mean_absolute_error" points=3
checks.mean_absolute_error(mean_absolute_error)

# %% [markdown]
# ## 3.5 When to stop (2 points)
#
# A network that trains for long enough learns the training crystals by heart. Keep the weights of the epoch that is
# best on *validation* crystals; the test set must have no say in it.


# %% exercise="best_epoch"
def best_epoch(history):
    """The epoch whose weights to keep, the first one if several are equally good.

    Args:
        history: one dict an epoch, in order, with the keys "epoch" (1, 2, ...), "train_loss", "validation_loss".
    """
    ### BEGIN SOLUTION
    return min(history, key=lambda entry: entry["validation_loss"])["epoch"]
    ### END SOLUTION


# %% check="best_epoch" points=2
checks.best_epoch(best_epoch)

# %% [markdown]
# ## 3.6 Several seeds (3 points)
#
# Train the same network from other random weights, and it ends elsewhere. A difference between two networks means
# something only if it is larger than that.


# %% exercise="mean_and_spread"
def mean_and_spread(errors):
    """Mean and sample standard deviation (n - 1 below) of the errors of several seeds."""
    ### BEGIN SOLUTION
    return float(np.mean(errors)), float(np.std(errors, ddof=1))
    ### END SOLUTION


# %% check="mean_and_spread" points=3
checks.mean_and_spread(mean_and_spread)

# %% [markdown]
# ## The comparison
#
# Three convolutions, three seeds each, on some 420 training crystals, with the package's training loop (the same step
# as yours, with a learning rate that rises and falls). Polymorphs of one formula are never both in training and in
# test. This takes a minute or two.

# %%
settings = TrainSettings(epochs=60)
test = torch.tensor(np.flatnonzero(perovskites.table["subset"] == "test"))
histories, errors = {}, {}
for conv in ("none", "shared", "gated"):
    for seed in range(3):
        model = new_model(ModelSettings(conv, "regression"), features, data, seed)
        histories[conv, seed] = train(model, graphs, data, settings, seed).history
        output = outputs(model, graphs, test)
        errors[conv, seed] = float(mean_absolute_error(output, data.target[test], model.target_mean, model.target_std))

constant = float((data.target[test] - mean).abs().mean())
print(f"the mean of the training set: {constant:.3f} eV/atom")
for conv in ("none", "shared", "gated"):
    middle, spread = mean_and_spread([errors[conv, seed] for seed in range(3)])
    print(f"{conv:7} {middle:.3f} ± {spread:.3f} eV/atom")

# %%
fig, axes = plt.subplots(1, 4, figsize=(12, 3.2), gridspec_kw={"width_ratios": [2, 2, 2, 1.4]})
for ax, conv in zip(axes, ("none", "shared", "gated"), strict=False):
    for seed in range(3):
        history = histories[conv, seed]
        ax.semilogy(
            [e["train_loss"] for e in history], color="tab:blue", linewidth=0.9, label="training" if seed == 0 else None
        )
        ax.semilogy(
            [e["validation_loss"] for e in history],
            color="tab:orange",
            linewidth=0.9,
            label="validation" if seed == 0 else None,
        )
        ax.axvline(best_epoch(history) - 1, color="grey", linewidth=0.5)
    ax.set(title=conv, xlabel="epoch", ylim=(5e-4, 3))
axes[0].set_ylabel("loss (scaled)")
axes[0].legend(fontsize=8)
for place, conv in enumerate(("none", "shared", "gated")):
    axes[3].plot([place] * 3, [errors[conv, seed] for seed in range(3)], "o", color="tab:green", alpha=0.6)
axes[3].set(
    xticks=range(3),
    xticklabels=["none", "shared", "gated"],
    title="test error (eV/atom)",
    ylim=(0, None),
    xlim=(-0.5, 2.5),
)
fig.tight_layout()
plt.show()

# %% [markdown]
# ## Two questions

# %% [markdown]
# **3.7** Look at the curves of your own run. Which of the three convolutions is limited by what it can *express*, and
# which by how much *data* there is? What in the curves says so? (2 points, read by a person)

# %% [markdown] answer="q-curves" points=2
# ### BEGIN SOLUTION
# `none` is limited by what it can express: its training loss stays well above that of `gated`, for polymorphs of one
# formula have to get one answer. `gated` has a training loss far below its validation loss: it can express more than
# 420 crystals teach it, so more data would help it.
#
# *Rubric. 1 point: none by expression, from the floor of its training loss. 1 point: gated by data, from the gap.*
# ### END SOLUTION

# %% [markdown]
# **3.8** A fellow student trains `gated` with ten seeds, and reports the test error of the best one against the mean
# of three seeds of `shared`. Name two things that are wrong with that. (2 points, read by a person)

# %% [markdown] answer="q-fair" points=2
# ### BEGIN SOLUTION
# The best of ten is compared with the average of three: even equal networks would differ so. And the seed was chosen
# by the test error, so that the test set is no longer a test: what was chosen by it looks better on it than on
# anything new.
#
# *Rubric. 1 point: best against mean, or unequally many tries. 1 point: selection on the test set.*
# ### END SOLUTION
