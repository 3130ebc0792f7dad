# %% [markdown]
# # 1 · From salt to a graph
#
# **You will** turn a crystal of NaCl into the graph that a crystal graph network reads: find neighbours across cell
# borders, keep whole shells of them, and describe distances and atoms by numbers that a network likes.
#
# **Time:** about 90 minutes for you, 10 seconds for your computer. **Points:** 24.
#
# Fill in every `# YOUR CODE HERE`, and run the check below it as often as you like: it names the mistake that it
# sees. Grading uses the same checks on many other crystals.

# %% setup="course"

# %%
import numpy as np
from matplotlib import pyplot as plt

from cgcnn.arrays import Crystal
from cgcnn.elements import BLOCKS, SYMBOLS, feature_table, properties
from cgcnn.graph import NeighbourRule, crystal_graphs
from homework import checks

# %% [markdown]
# ## A crystal in three arrays
#
# A crystal repeats itself for ever, so one cell says it all: three **lattice vectors** (the rows of `lattice`, in Å),
# and the sites in the cell as fractions of them. The position of site $i$ in Å is `frac_coords[i] @ lattice`.

# %%
a = 5.64  # Å, rock salt
lattice = a * np.eye(3)
sodium = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
frac_coords = np.concatenate([sodium, (sodium + [0.5, 0, 0]) % 1])
atomic_numbers = np.array([11] * 4 + [17] * 4)

# %% [markdown]
# ## 1.1 Neighbours, across the border (5 points)
#
# Site $j$ exists once in every cell: at `(frac_coords[j] + image) @ lattice` for any three integers `image`. An
# **edge** goes from a site $i$ in the home cell (its *centre*) to a site $j$ in any cell (its *neighbour*) within the
# cutoff.
#
# - Between one pair of sites there may be many edges, one an image.
# - Site $i$ is not its own neighbour. Its images are.
# - How many cells must you search? The planes of cells along lattice vector $\mathbf a_k$ are $h_k = 1 / |\mathbf
#   b_k|$ apart, where $\mathbf b_k$ is column $k$ of the inverse of `lattice`. In a slanted cell that is less than
#   $|\mathbf a_k|$. Inside a cell sites are less than one plane apart, so $\lceil r / h_k \rceil + 1$ is enough.


# %% exercise="neighbours"
def neighbours(lattice, frac_coords, cutoff):
    """Every edge of a crystal that is no longer than the cutoff.

    Args:
        lattice: (3, 3) Å, rows are the lattice vectors.
        frac_coords: (N, 3), from 0 to 1.
        cutoff: Å.

    Returns:
        centre (E,) int, neighbour (E,) int, distance (E,) Å, in any order.
    """
    ### BEGIN SOLUTION
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = np.ceil(cutoff / heights).astype(int) + 1
    images = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach)), axis=-1).reshape(-1, 3)
    there = frac_coords[:, None] + images  # (N, M, 3)
    gap = (there[None] - frac_coords[:, None, None]) @ lattice  # (N, N, M, 3) Å
    distance = np.linalg.norm(gap, axis=-1)
    centre, neighbour, image = np.nonzero((distance <= cutoff) & (distance > 1e-8))
    return centre, neighbour, distance[centre, neighbour, image]
    ### END SOLUTION


# %% check="neighbours" points=5
checks.neighbours(neighbours)

# %% [markdown]
# Around each sodium ion there are shells of equal distances. Twelve neighbours are usual; where does the twelfth lie?

# %%
centre, neighbour, distance = neighbours(lattice, frac_coords, 6.0)
of_first = np.sort(distance[centre == 0])

fig, ax = plt.subplots(figsize=(7, 3))
ax.step(of_first, np.arange(1, len(of_first) + 1), where="post")
ax.axhline(12, color="tab:red", linewidth=1)
ax.annotate("the 12th neighbour", (2.75, 13.5), color="tab:red")
ax.set(xlabel="distance from a sodium site (Å)", ylabel="neighbours within", title="Shells of rock salt: 6, 12, 8, 6")
plt.show()

# %% [markdown]
# ## 1.2 Whole shells (4 points)
#
# The twelfth neighbour lies in the middle of a shell of twelve. *Which* six of them stay is then an accident: of the
# order of the sites, or of the last digit of a distance. So we keep **whole shells**: the $k$ nearest, and all others
# that are at most `tolerance` further away than the $k$-th. A site with fewer than $k$ neighbours keeps all that it
# has.


# %% exercise="nearest"
def nearest(centre, distance, n_sites, k=12, tolerance=0.1):
    """Which edges stay when every site keeps its k nearest neighbours and the rest of their shell.

    Args:
        centre: (E,) int, in any order.
        distance: (E,) Å.
        n_sites: number of sites N; some may have no edge.
        k: neighbours wanted.
        tolerance: Å, how thick a shell is.

    Returns:
        (E,) bool.
    """
    ### BEGIN SOLUTION
    limit = np.full(n_sites, np.inf)
    for site in range(n_sites):
        own = np.sort(distance[centre == site])
        if len(own) >= k:
            limit[site] = own[k - 1] + tolerance
    return distance <= limit[centre]
    ### END SOLUTION


# %% check="nearest" points=4
checks.nearest(nearest)

# %% [markdown]
# Does it matter? In salt the twelve are alike. In strontium titanate, SrTiO₃, an oxygen site sees 2 titanium and
# then, all at one distance, 8 oxygen and 4 strontium sites. Below, the package builds its graph from three orders of
# the same five sites.

# %%
edge = 3.905 * np.eye(3)  # Å
sites = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
elements = np.array([38, 22, 8, 8, 8], dtype=np.uint8)

for ties in ("cut", "shells"):
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 4, 0, 2, 3]):
        graph = crystal_graphs([Crystal(edge, sites[order], elements[order])], NeighbourRule(ties=ties))
        seen = np.repeat(elements[order][graph.neighbour], graph.multiplicity)
        ends = np.repeat(np.repeat(np.arange(5), graph.degree), graph.multiplicity)
        of_oxygen = [seen[ends == site] for site in range(5) if elements[order][site] == 8]
        print(
            f"{ties:6}", order, [" ".join(f"{np.sum(s == z):2} {SYMBOLS[z]}" for z in (22, 8, 38)) for s in of_oxygen]
        )

# %% [markdown]
# One crystal, three graphs: that is what a bare cut at twelve gives. Whole shells give one. Notebook 5 measures what
# this does to predictions.
#
# ## 1.3 Distances as features (3 points)
#
# A network learns little from one number. We spread a distance over 41 Gaussians,
# $$u_m = \exp\left(-\frac{(d - \mu_m)^2}{\sigma^2}\right),\qquad
# \mu_m = 0, 0.2, \dots, 8\ \text{Å},\quad \sigma = 0.2\ \text{Å}.$$


# %% exercise="expand"
def expand(distance):
    """Gaussian expansion of distances (E,) in Å: (E, 41)."""
    ### BEGIN SOLUTION
    centres = 0.2 * np.arange(41)
    return np.exp(-(((distance[:, None] - centres) / 0.2) ** 2))
    ### END SOLUTION


# %% check="expand" points=3
checks.expand(expand)

# %%
fig, ax = plt.subplots(figsize=(7, 2.2))
shown = ax.imshow(expand(np.unique(np.round(of_first, 3))), aspect="auto", cmap="viridis", extent=(-0.1, 8.1, 4.5, 0.5))
ax.set(xlabel="centre of the Gaussian (Å)", ylabel="shell", yticks=[1, 2, 3, 4], title="The four shells as features")
fig.colorbar(shown)
plt.show()

# %% [markdown]
# ## 1.4 Atoms as features (4 points)
#
# An atom enters as 92 bits: nine properties of its element, each cut into bins of equal width, one bit a bin. Write
# the step that makes the bits of one property. A value $x$ with `low` $\le x <$ `high` is in bin $\lfloor (x -
# \text{low}) / (\text{high} - \text{low}) \cdot \text{width} \rfloor$. If it is unknown (NaN) or out of range, no bit
# is set: an empty row says "not known", which is more honest than a guess.


# %% exercise="bits"
def bits(values, low, high, width):
    """One-hot rows (n, width) of values (n,)."""
    ### BEGIN SOLUTION
    position = (values - low) / (high - low) * width
    return (np.floor(position)[:, None] == np.arange(width)).astype(float)
    ### END SOLUTION


# %% check="bits" points=4
checks.bits(bits)

# %%
electronegativity = properties()["electronegativity"]
ours = bits(electronegativity, 0.5, 4.0, 10)
place = next(k for k, block in enumerate(BLOCKS) if block.name == "electronegativity")
start = sum(block.width for block in BLOCKS[:place])
assert np.array_equal(ours, feature_table()[:, start : start + 10]), "the package has other bits"

fig, ax = plt.subplots(figsize=(9, 2))
shown = [11, 17, 22, 8, 38, 82, 18]
ax.imshow(feature_table()[shown], aspect="auto", cmap="Greys", interpolation="none")
ax.set(
    yticks=range(len(shown)), yticklabels=[SYMBOLS[z] for z in shown], xlabel="bit", title="Seven elements in 92 bits"
)
for edge in np.cumsum([block.width for block in BLOCKS])[:-1]:
    ax.axvline(edge - 0.5, color="tab:red", linewidth=0.7)
plt.show()

# %% [markdown]
# ## 1.5 The order of the sites is nobody's business (4 points)
#
# A crystal does not number its sites; we do. If site `order[p]` of the old list becomes site `p` of the new one,
# which edges does the graph have then? Edge number $e$ stays edge number $e$; only the names of its ends change.


# %% exercise="relabel"
def relabel(centre, neighbour, order):
    """Centre and neighbour (E,) of every edge when the sites are put in another order.

    Args:
        centre, neighbour: (E,) int, old numbers.
        order: (N,) int, order[p] is the old number of the site that becomes number p.

    Returns:
        centre, neighbour: (E,) int, new numbers.
    """
    ### BEGIN SOLUTION
    place = np.argsort(order)
    return place[centre], place[neighbour]
    ### END SOLUTION


# %% check="relabel" points=4
checks.relabel(relabel)

# %% [markdown]
# With that you can show that a graph is the same one. Left: which site sees which, in one order and in another, and
# brought back. Right: the environments of a cell and of its 2 × 1 × 1 supercell, whose sites must come in equal
# pairs.

# %%
order = np.random.default_rng(1).permutation(8)
kept = nearest(centre, distance, 8)
graph = np.zeros((8, 8))
np.add.at(graph, (centre[kept], neighbour[kept]), 1)
moved = np.zeros((8, 8))
np.add.at(moved, relabel(centre[kept], neighbour[kept], order), 1)
assert np.array_equal(moved, graph[np.ix_(order, order)])

double = lattice * [[2], [1], [1]]
coords = np.concatenate([frac_coords, frac_coords + [1, 0, 0]]) / [2, 1, 1]
big_centre, _, big_distance = neighbours(double, coords, 6.0)
big_kept = nearest(big_centre, big_distance, 16)

fig, axes = plt.subplots(1, 3, figsize=(10, 3))
axes[0].imshow(graph)
axes[1].imshow(moved)
axes[2].hist([distance[kept], big_distance[big_kept]], bins=20, label=["cell, 8 sites", "supercell, 16 sites"])
axes[2].legend(fontsize=8)
for ax, title in zip(
    axes, ["edges from i to j", "the same, reordered", "kept distances (Å): twice as many"], strict=True
):
    ax.set_title(title, fontsize=10)
plt.show()

# %% [markdown]
# ## Two questions
#
# Two or three sentences are enough for each.

# %% [markdown]
# **1.6** Somebody keeps exactly twelve neighbours, without shells. Name two changes that leave the *crystal* as it is
# but may change this graph, and say what a user of the model would notice. (2 points, read by a person)

# %% [markdown] answer="q-cut" points=2
# ### BEGIN SOLUTION
# Another order of the sites, another choice of cell (a supercell, a shifted or rotated one), or a shift of the atoms
# by less than anybody can measure: each can decide which neighbours of a split shell stay. The user would get
# different predictions for one and the same material.
#
# *Rubric. 1 point: two such changes. 1 point: the prediction of one material is no longer unique.*
# ### END SOLUTION

# %% [markdown]
# **1.7** Which of these can be told from the graph (atoms, edges, distances), and which cannot: the lattice constant,
# the orientation of the crystal in space, the angle Cl–Na–Cl, whether the crystal is left- or right-handed? Why? (2
# points, read by a person)

# %% [markdown] answer="q-knows" points=2
# ### BEGIN SOLUTION
# The lattice constant can be told, since it scales all distances. Orientation cannot, and should not: distances do
# not change under rotation, and neither does the energy. Angles are not there directly; distances between neighbours
# of neighbours hint at them, not always enough (notebook 5). Handedness cannot be told at all: a mirror image has the
# same distances.
#
# *Rubric. 1 point: lattice constant yes, orientation and handedness no. 1 point: a reason from distances; angles only
# by a hint.*
# ### END SOLUTION
