# %% [markdown]
# # 4 · Find a new material
#
# **You will** make up perovskites that the model has never seen, let it tell their formation energies, pick those
# near a target, decide whether you believe it, and then open the envelope.
#
# **Time:** about 90 minutes for you, 20 seconds for your computer. **Points:** 22.

# %% setup="course"

# %%
import numpy as np
from matplotlib import pyplot as plt
from pymatgen.core import Lattice, Structure

from homework import checks, course

model = course.pretrained("energy/gated")
perovskites = course.perovskites()
in_training = set(perovskites.table.loc[perovskites.table["subset"] != "test", "formula"])

# %% [markdown]
# Ions that may stand on A (a cage of twelve oxygen ions) and on B (an octahedron of six): element, charge, radius in
# Å (Shannon 1976).

# %%
A_TABLE = """
    Na 1 1.39  K  1 1.64  Rb 1 1.72  Cs 1 1.88  Tl 1 1.70  Ag 1 1.28
    Ca 2 1.34  Sr 2 1.44  Ba 2 1.61  Pb 2 1.49  Cd 2 1.31  Eu 2 1.48
    La 3 1.36  Ce 3 1.34  Pr 3 1.30  Nd 3 1.27  Sm 3 1.24  Gd 3 1.11  Y  3 1.08  Bi 3 1.36
"""
B_TABLE = """
    Al 3 0.54  Ga 3 0.62  Cr 3 0.62  Fe 3 0.65  Sc 3 0.75  In 3 0.80  Co 3 0.61  Rh 3 0.67  Ni 3 0.60
    Ti 4 0.61  Zr 4 0.72  Hf 4 0.71  Sn 4 0.69  Mn 4 0.53  Ru 4 0.62  Ge 4 0.53  Ir 4 0.63  Pt 4 0.63  Mo 4 0.65
    Nb 5 0.64  Ta 5 0.64  V  5 0.54  Sb 5 0.60  Os 5 0.58  Re 5 0.58
"""


def ions(text):
    """Element -> (charge, radius in Å)."""
    words = text.split()
    return {element: (int(q), float(r)) for element, q, r in zip(words[::3], words[1::3], words[2::3], strict=True)}


A_IONS, B_IONS = ions(A_TABLE), ions(B_TABLE)
R_OXYGEN = 1.40  # Å

# %% [markdown]
# ## 4.1 Charges (3 points)
#
# Three oxygen ions O²⁻ carry −6. List every pair of different elements A and B that makes ABO₃ neutral.


# %% exercise="charge_neutral"
def charge_neutral(a_ions, b_ions):
    """Pairs (A, B) that make ABO3 neutral, each once; a_ions and b_ions are element -> charge."""
    ### BEGIN SOLUTION
    return [(a, b) for a, q_a in a_ions.items() for b, q_b in b_ions.items() if q_a + q_b == 6 and a != b]
    ### END SOLUTION


# %% check="charge_neutral" points=3
checks.charge_neutral(charge_neutral)

# %% [markdown]
# ## 4.2 Does it fit? (2 points)
#
# Goldschmidt's tolerance factor compares the two ways to measure the cubic cell; near 1 both agree:
# $$t = \frac{r_A + r_X}{\sqrt 2\,(r_B + r_X)}$$


# %% exercise="tolerance_factor"
def tolerance_factor(r_a, r_b, r_x):
    """Goldschmidt's t from radii in Å."""
    ### BEGIN SOLUTION
    return (r_a + r_x) / (np.sqrt(2) * (r_b + r_x))
    ### END SOLUTION


# %% check="tolerance_factor" points=2
checks.tolerance_factor(tolerance_factor)

# %% [markdown]
# ## 4.3 Build it (4 points)
#
# The ideal cubic perovskite has five sites: A in the middle of a cage, B in the middle of an octahedron whose corners
# are the oxygen sites, half an edge away. Neighbouring octahedra share their corners.


# %% exercise="cubic_perovskite"
def cubic_perovskite(a, b, edge):
    """The cubic cell of ABO3 with this edge in Å, a pymatgen Structure."""
    ### BEGIN SOLUTION
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Structure(Lattice.cubic(edge), [a, b, "O", "O", "O"], sites)
    ### END SOLUTION


# %% check="cubic_perovskite" points=4
checks.cubic_perovskite(cubic_perovskite)

# %% [markdown]
# Now take all that are neutral, fit ($0.8 < t < 1.08$), and whose formula the model has never been trained on. Their
# edge is a guess, the mean of what B–O and A–O contacts want.

# %%
pairs = charge_neutral({a: q for a, (q, _) in A_IONS.items()}, {b: q for b, (q, _) in B_IONS.items()})
made, factors = [], []
for a, b in pairs:
    r_a, r_b = A_IONS[a][1], B_IONS[b][1]
    t = tolerance_factor(r_a, r_b, R_OXYGEN)
    edge = (2 * (r_b + R_OXYGEN) + np.sqrt(2) * (r_a + R_OXYGEN)) / 2
    candidate = cubic_perovskite(a, b, edge)
    if 0.8 < t < 1.08 and candidate.composition.reduced_formula not in in_training:
        made.append(candidate)
        factors.append(t)
table = model.predict(made).assign(t=factors)
print(f"{len(pairs)} neutral pairs, {len(made)} new candidates")
table.sort_values("prediction").head(8).round(3)

# %% [markdown]
# ## 4.4 Screen (5 points)
#
# You want a material with a given formation energy. Take the `n` candidates whose prediction is **nearest to the
# target**, on either side, nearest first, among those to be believed:
#
# - there is a prediction (`reason` is empty) and no element is new to the model (`unseen_elements` is empty);
# - the seeds agree: `spread` is at most `max_spread`;
# - it resembles the training crystals: `distance`, a percentile, is at most 95.


# %% exercise="screen"
def screen(table, target, n, max_spread):
    """Ids of the n believable candidates nearest to the target (eV/atom), nearest first; fewer if there are no more."""
    ### BEGIN SOLUTION
    believed = table[
        (table["reason"] == "")
        & (table["unseen_elements"] == "")
        & (table["spread"] <= max_spread)
        & (table["distance"] <= 95)
    ]
    gap = (believed["prediction"] - target).abs()
    return list(believed.loc[gap.sort_values(kind="stable").index[:n], "id"])
    ### END SOLUTION


# %% check="screen" points=5
checks.screen(screen)

# %%
target = -2.5
picked = screen(table, target, 5, max_spread=0.15)
unsure = (table["spread"] > 0.15) | (table["distance"] > 95) | (table["unseen_elements"] != "")

fig, ax = plt.subplots(figsize=(7, 3.6))
for mask, color, label in ((~unsure, "tab:blue", "believed"), (unsure, "lightgrey", "not believed")):
    ax.errorbar(
        table["t"][mask],
        table["prediction"][mask],
        yerr=table["spread"][mask],
        fmt="o",
        ms=4,
        lw=0.7,
        color=color,
        label=label,
    )
chosen = table[table["id"].isin(picked)]
ax.plot(chosen["t"], chosen["prediction"], "o", ms=9, mfc="none", color="tab:red", label="picked")
ax.axhline(target, color="tab:red", linewidth=0.7)
ax.set(xlabel="tolerance factor", ylabel="predicted energy (eV/atom)", title=f"New perovskites near {target} eV/atom")
ax.legend(fontsize=8)
plt.show()
print(f"{(~unsure).sum()} of {len(table)} are believed")
table.set_index("id").loc[picked, ["formula", "prediction", "spread", "lower", "upper", "distance"]].round(3)

# %% [markdown]
# ## 4.5 Would it have worked? (4 points)
#
# Now judge a screen where the true energies are known: on the relaxed crystals of the test set. A **hit** is a
# material whose true energy lies within a window of the target. The **enrichment** says how much likelier a hit is
# among those picked than among all; 1 is no better than chance.


# %% exercise="enrichment"
def enrichment(picked, truth, target, window):
    """Share of hits among the picked, over the share among all.

    Args:
        picked: (k,) positions in truth.
        truth: (n,) eV/atom.
        target, window: eV/atom; a hit has |truth - target| <= window.
    """
    ### BEGIN SOLUTION
    hit = np.abs(truth - target) <= window
    return hit[picked].mean() / hit.mean()
    ### END SOLUTION


# %% check="enrichment" points=4
checks.enrichment(enrichment)

# %%
test = perovskites.of((perovskites.table["subset"] == "test").to_numpy())
answers = model.predict(test.structures)
truth = test.table["energy"].to_numpy()
believed = ((answers["spread"] <= 0.15) & (answers["distance"] <= 95) & (answers["unseen_elements"] == "")).to_numpy()
error = np.abs(answers["prediction"].to_numpy() - truth)
order = [answers.index[answers["id"] == name][0] for name in screen(answers, target, 10, 0.15)]
better = enrichment(np.array(order), truth, target, 0.1)
print(f"enrichment of ten picked test materials, within 0.1 eV/atom: {better:.1f}")
for name, mask in (("believed", believed), ("not believed", ~believed)):
    print(f"mean error of the {mask.sum()} {name}: {error[mask].mean():.3f} eV/atom")

fig, ax = plt.subplots(figsize=(5, 3.2))
ax.loglog(answers["spread"], error, ".", markersize=5)
ax.set(xlabel="spread of the ensemble (eV/atom)", ylabel="true error (eV/atom)", title="Does doubt tell error?")
plt.show()

# %% [markdown]
# ## The envelope
#
# Many of your candidates are in the test set after all, with their structure relaxed and its energy computed. Open
# the envelope: how far off was the model on *your* cube, with its guessed edge, and how far is it on the relaxed
# crystal? And were the doubtful ones worse?

# %%
best = (
    test.table.assign(relaxed=answers["prediction"])
    .sort_values("energy")
    .drop_duplicates("formula")
    .set_index("formula")
)
opened = table.join(best[["energy", "relaxed"]], on="formula", how="inner").assign(unsure=unsure)
on_cube, on_relaxed = (np.abs(opened[name] - opened["energy"]) for name in ("prediction", "relaxed"))

fig, ax = plt.subplots(figsize=(4.4, 4.4))
ax.plot(opened["energy"], opened["prediction"], "o", ms=4, label=f"your cubes: {on_cube.mean():.2f} eV/atom off")
ax.plot(opened["energy"], opened["relaxed"], ".", ms=4, label=f"relaxed: {on_relaxed.mean():.2f} eV/atom off")
ax.axline((-2, -2), slope=1, color="grey", linewidth=0.7)
ax.set(
    xlabel="energy in the envelope (eV/atom)", ylabel="prediction (eV/atom)", title=f"{len(opened)} candidates opened"
)
ax.legend(fontsize=8)
plt.show()
for name, mask in (("believed", ~opened["unsure"]), ("not believed", opened["unsure"])):
    print(f"{mask.sum()} cubes {name}: {on_cube[mask].mean():.2f} eV/atom off")

# %% [markdown]
# ## Two questions

# %% [markdown]
# **4.6** Choose one material that you picked. Give three reasons, of different kinds, why its real formation energy
# may be further from the target than the interval says. (2 points, read by a person)

# %% [markdown] answer="q-believe" points=2
# ### BEGIN SOLUTION
# For example: the structure is a guess, an ideal cube with a guessed edge, where the training crystals were relaxed;
# the labels are a potential's and not DFT, let alone measured; picked materials are those whose errors happen to
# bring them near the target; interval and spread were judged on materials like the training ones; the material may
# take another structure altogether, or not form.
#
# *Rubric. 2 points for three reasons of different kinds (structure, labels, selection, domain, stability), 1 for
# two.*
# ### END SOLUTION

# %% [markdown]
# **4.7** A low formation energy does not make a material stable. What else must be compared, and why can this model
# not do it? (2 points, read by a person)

# %% [markdown] answer="q-hull" points=2
# ### BEGIN SOLUTION
# All competing phases: other compounds, and mixtures of them, with the same overall composition; what counts is the
# energy above the convex hull. The model knows perovskites alone, so it cannot tell the energies of the competitors
# (binary oxides and others), and differences of 0.02 eV/atom decide.
#
# *Rubric. 1 point: competing phases, or hull. 1 point: trained on perovskites alone, or errors larger than the
# differences.*
# ### END SOLUTION
