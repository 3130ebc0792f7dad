# %% [markdown]
# # 2 · Three convolutions
#
# **You will** write the three convolutions that this project compares, check them against numbers worked out by hand
# and against the package, and find out why one weight matrix for all neighbours is not enough.
#
# **Time:** about two hours for you, seconds for your computer. **Points:** 32.

# %% setup="course"

# %%
import numpy as np
import torch
from matplotlib import pyplot as plt
from torch.nn.functional import softplus

from cgcnn.arrays import Crystal
from cgcnn.conv import GatedConvolution
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.tensors import PackedGraphs
from homework import checks

# %% [markdown]
# ## What a convolution is given
#
# | name | shape | what |
# |---|---|---|
# | `v` | (N, F) | features of the sites |
# | `u` | (E, G) | features of the edges: their expanded distances |
# | `centre` | (E,) | the site $i$ at which edge $(i,j)_k$ starts |
# | `neighbour` | (E,) | the site $j$ at its other end |
#
# A convolution returns new features of the sites, (N, F). We write products from the right, as in $v W$: rows are
# sites. $g$ is softplus, $\sigma$ the sigmoid, $\oplus$ puts two vectors end to end, $\odot$ multiplies element by
# element.
#
# ### Two atoms, worked by hand
#
# Site 0 has $v_0 = 1$ and sees site 1 twice; site 1 has $v_1 = 3$ and sees site 0 once. With all distances the same,
# let the message of an edge be just $v_j$. Then site 0 receives $3 + 3 = 6$, and site 1 receives $1$.

# %%
v = torch.tensor([[1.0], [3.0]])
centre, neighbour = torch.tensor([0, 0, 1]), torch.tensor([1, 1, 0])
messages = v[neighbour]  # (E, 1): row e is what edge e carries
messages.squeeze()

# %% [markdown]
# ## 2.1 The sum over the edges of each site (3 points)
#
# Every convolution needs $\sum_{j,k}$: for each site the sum of the messages of *its* edges. Sites have unequally
# many edges, some have none (their sum is 0). `index_add`, a loop, or a matrix of zeros and ones: all are fine.


# %% exercise="sum_over_edges"
def sum_over_edges(messages, centre, n_sites):
    """Sum of the messages (E, F) over the edges of each site, (N, F)."""
    ### BEGIN SOLUTION
    return messages.new_zeros(n_sites, messages.shape[1]).index_add(0, centre, messages)
    ### END SOLUTION


# %% check="sum_over_edges" points=3
assert sum_over_edges(messages, centre, 2).squeeze().tolist() == [6, 1], "the example with two atoms gives 6 and 1"
checks.sum_over_edges(sum_over_edges)

# %% [markdown]
# ## 2.2 None (2 points)
#
# The control of the experiment: no neighbour is seen.
# $$v_i' = g(v_i W_s + b)$$


# %% exercise="conv_none"
def conv_none(v, W_s, b):
    """v' (N, F) from v (N, F), W_s (F, F), b (F,)."""
    ### BEGIN SOLUTION
    return softplus(v @ W_s + b)
    ### END SOLUTION


# %% check="conv_none" points=2
checks.conv_none(conv_none)

# %% [markdown]
# ## 2.3 Shared (5 points)
#
# All neighbours with one matrix:
# $$v_i' = g\left[\Big(\sum_{j,k} v_j \oplus u_{(i,j)_k}\Big) W_c + v_i W_s + b\right]$$


# %% exercise="conv_shared"
def conv_shared(v, u, centre, neighbour, W_c, W_s, b):
    """v' (N, F) from v (N, F), u (E, G), the ends of the edges (E,), W_c (F + G, F), W_s (F, F), b (F,)."""
    ### BEGIN SOLUTION
    edges = torch.cat([v[neighbour], u], dim=1)  # (E, F + G)
    return softplus(sum_over_edges(edges, centre, len(v)) @ W_c + v @ W_s + b)
    ### END SOLUTION


# %% check="conv_shared" points=5
checks.conv_shared(conv_shared)

# %% [markdown]
# ## 2.4 Gated (6 points)
#
# Now each neighbour counts for itself. A **gate** between 0 and 1 looks at both ends and at the distance, and decides
# how much of the message passes:
# $$z_{(i,j)_k} = v_i \oplus v_j \oplus u_{(i,j)_k},\qquad
# v_i' = v_i + \sum_{j,k} \sigma(z_{(i,j)_k} W_f + b_f) \odot g(z_{(i,j)_k} W_s + b_s)$$


# %% exercise="conv_gated"
def conv_gated(v, u, centre, neighbour, W_f, b_f, W_s, b_s):
    """v' (N, F) from v (N, F), u (E, G), the ends of the edges (E,), W_f and W_s (2F + G, F), b_f and b_s (F,)."""
    ### BEGIN SOLUTION
    z = torch.cat([v[centre], v[neighbour], u], dim=1)  # (E, 2F + G)
    message = torch.sigmoid(z @ W_f + b_f) * softplus(z @ W_s + b_s)  # (E, F)
    return v + sum_over_edges(message, centre, len(v))
    ### END SOLUTION


# %% check="conv_gated" points=6
checks.conv_gated(conv_gated)

# %% [markdown]
# Two properties that any such layer must have. **Equivariance**: sites in another order give the same rows in that
# order. And the **gradient** of autograd must be the slope of the values; in float64 the two can be compared closely.

# %% check="equivariant" points=2
checks.equivariant(conv_gated)

# %% [markdown]
# ## 2.5 As it was published (5 points)
#
# The code of the paper does five things in one layer:
#
# 1. `linear(z)` gives filter and core side by side, (E, 2F);
# 2. `edge_norm`, a batch norm, over that;
# 3. the first half is the filter, the second the core: message = σ(filter) ⊙ g(core);
# 4. the messages are summed at their centres, and `site_norm`, another batch norm, goes over the sum;
# 5. v is added, and softplus taken of the whole.


# %% exercise="conv_published"
def conv_published(v, u, centre, neighbour, linear, edge_norm, site_norm):
    """v' (N, F) from v (N, F), u (E, G), the ends of the edges (E,), and three modules of torch."""
    ### BEGIN SOLUTION
    z = torch.cat([v[centre], v[neighbour], u], dim=1)  # (E, 2F + G)
    filters, core = edge_norm(linear(z)).chunk(2, dim=1)  # (E, F) each
    message = torch.sigmoid(filters) * softplus(core)
    return softplus(v + site_norm(sum_over_edges(message, centre, len(v))))
    ### END SOLUTION


# %% check="conv_published" points=5
checks.conv_published(conv_published)

# %% [markdown]
# That is the layer that this project trains. The package computes it several times faster, by splitting the product
# $z W$ and by counting equal edges once, and your layer says the same:

# %%
lattice, frac_coords = (
    3.905 * np.eye(3),
    np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]),
)
strontium_titanate = Crystal(lattice, frac_coords, np.array([38, 22, 8, 8, 8], dtype=np.uint8))
graph = crystal_graphs([strontium_titanate], NeighbourRule())
batch = PackedGraphs(graph, merge_sites=False).batch(torch.tensor([0]))

torch.manual_seed(0)
package = GatedConvolution(16, 41)
v = torch.randn(5, 16)
u = torch.exp(-(((batch.distance[:, None] - 0.2 * torch.arange(41)) / 0.2) ** 2))
times = batch.multiplicity.squeeze().long()
centre, neighbour, u_edge = (
    rows.repeat_interleave(times, dim=0) for rows in (batch.centre, batch.neighbour, u[batch.distance_index])
)
with torch.no_grad():
    theirs = package(v, u, batch)
    yours = conv_published(v, u_edge, centre, neighbour, package.linear, package.edge_norm, package.site_norm)
print(f"{len(centre)} edges; largest difference {(yours - theirs).abs().max():.1e}")

# %% [markdown]
# ## 2.6 Pooling (2 points)
#
# After the last convolution the sites of a crystal become one vector, their **mean**. A batch holds several crystals;
# `crystal` says which one each site belongs to.


# %% exercise="pool"
def pool(v, crystal, n_crystals):
    """Mean of v (N, F) over the sites of each crystal, (C, F); crystal (N,) numbers them from 0. None is empty."""
    ### BEGIN SOLUTION
    size = torch.bincount(crystal, minlength=n_crystals).unsqueeze(1)
    return sum_over_edges(v, crystal, n_crystals) / size
    ### END SOLUTION


# %% check="pool" points=2
checks.pool(pool)

# %% [markdown]
# ## 2.7 Why one matrix is not enough (3 points)
#
# `shared` sums first and multiplies then. What the sum has lost no matrix can bring back. Find **two different
# surroundings** of a site that `shared` cannot tell apart, whatever its weights, while `gated` can. Both have
# neighbours of two elements, 0 and 1.


# %% exercise="twins"
def twins():
    """Two surroundings, each a list of (element, distance in Å), between 0.5 and 8 Å."""
    ### BEGIN SOLUTION
    return [(0, 2.0), (1, 3.0)], [(0, 3.0), (1, 2.0)]
    ### END SOLUTION


# %% check="twins" points=3
checks.twins(twins)

# %% [markdown]
# Here are your surroundings in both convolutions, for a hundred draws of the weights.


# %%
def respond(surrounding, convolution, seed):
    """What a site becomes that sees these neighbours, with random weights."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator) / 2

    elements, distances = zip(*surrounding, strict=True)
    v = torch.tensor([[0.3, -0.2], [1.0, 0.0], [0.0, 1.0]])  # the site, element 0, element 1
    u = torch.exp(-(((torch.tensor(distances)[:, None] - 0.2 * torch.arange(41)) / 0.2) ** 2))
    centre, neighbour = torch.zeros(len(elements), dtype=torch.long), torch.tensor(elements) + 1
    if convolution is conv_shared:
        return conv_shared(v, u, centre, neighbour, draw(43, 2), draw(2, 2), draw(2))[0, 0].item()
    return conv_gated(v, u, centre, neighbour, draw(45, 2), draw(2), draw(45, 2), draw(2))[0, 0].item()


first, second = twins()
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4))
for ax, convolution in zip(axes, (conv_shared, conv_gated), strict=True):
    pairs = np.array([[respond(s, convolution, seed) for s in (first, second)] for seed in range(100)])
    ax.plot(*pairs.T, ".", markersize=5)
    ax.axline((pairs.min(), pairs.min()), slope=1, color="grey", linewidth=0.7)
    ax.set(title=convolution.__name__, xlabel="answer to the first surrounding", ylabel="to the second")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## Two questions

# %% [markdown]
# **2.8** Stacking three `shared` layers helps against twins in *some* crystals, but a stack of `none` layers never
# does. Why? (2 points, read by a person)

# %% [markdown] answer="q-depth" points=2
# ### BEGIN SOLUTION
# After one shared layer the neighbours themselves carry a summary of what they see, so that sites with equal sums at
# first may have different sums in the next layer. In `none` nothing ever comes from a neighbour: each site stays a
# function of its own element, and the crystal one of its composition.
#
# *Rubric. 1 point: information travels one bond a layer. 1 point: `none` knows the composition alone, whatever its
# depth.*
# ### END SOLUTION

# %% [markdown]
# **2.9** Replace the sum in `gated` by the mean over the neighbours. Name a pair of surroundings that this can no
# longer tell apart, and one reason to do it nevertheless. (2 points, read by a person)

# %% [markdown] answer="q-mean" points=2
# ### BEGIN SOLUTION
# One neighbour at 2 Å, and two of the same element at 2 Å: the mean is the same, so the number of neighbours (the
# coordination) is lost. On the other hand the size of the features no longer grows with the number of neighbours,
# which makes training steadier.
#
# *Rubric. 1 point: any pair that repeats all neighbours equally often. 1 point: scale, or robustness against the size
# of shells.*
# ### END SOLUTION
