# %% [markdown]
# # 0 · Meet a model
#
# **You will** meet a crystal graph network that somebody has trained already: ask it about crystals, get its units
# right, and see how wrong it is.
#
# **Time:** about 30 minutes for you, 20 seconds for your computer. **Points:** 13.
#
# Fill in every `# YOUR CODE HERE`, and run the check below it as often as you like: a wrong answer gets a hint. Where
# you see `raise NotImplementedError`, replace it. Restart and run all before you hand in.

# %% setup="course"

# %%
import numpy as np
from matplotlib import pyplot as plt

from homework import checks, course

# %% [markdown]
# The model is an ensemble: the same network trained several times from other random weights. It was trained on
# hypothetical perovskites whose energies come from another model, the CHGNet potential. They are *not* DFT and not
# measured: good for learning.

# %%
model = course.pretrained("energy/gated")
perovskites = course.perovskites()
print(len(model.models), "networks, answers in", model.unit)
print(perovskites.structures[0])

# %% [markdown]
# ## 0.1 What is a formation energy? (4 points)
#
# A crystal is compared with the pure elements that it is made of, atom by atom, and the difference divided by the
# number of atoms:
#
# $$E_f = \frac{E_\text{cell} - \sum_\text{atoms} E_\text{element}}{N_\text{atoms}}\qquad\text{in eV/atom.}$$
#
# Negative means that the compound is more stable than its elements.


# %% exercise="formation_energy"
def formation_energy(total, counts, references):
    """Formation energy in eV/atom.

    Args:
        total: energy of the cell in eV.
        counts: element -> number of its atoms in the cell.
        references: element -> energy of the pure element in eV/atom; of others, too.
    """
    ### BEGIN SOLUTION
    elements = sum(n * references[element] for element, n in counts.items())
    return (total - elements) / sum(counts.values())
    ### END SOLUTION


# %% check="formation_energy" points=4
checks.formation_energy(formation_energy)

# %% [markdown]
# ## 0.2 The units of a chemist (2 points)
#
# Tables of enthalpies are in kJ per mole of formula units. One eV per particle is 96.485 kJ/mol.


# %% exercise="kj_per_mol"
def kj_per_mol(energy, n_atoms):
    """From eV/atom to kJ per mole of formula units of n_atoms atoms each."""
    ### BEGIN SOLUTION
    return energy * n_atoms * 96.48533
    ### END SOLUTION


# %% check="kj_per_mol" points=2
checks.kj_per_mol(kj_per_mol)

# %% [markdown]
# ## First predictions
#
# Ask the model about perovskites that it has never seen, the *test* materials. `prediction` is the mean of the
# ensemble, `spread` how far its members lie apart, `lower` and `upper` an interval that should hold 90 % of the true
# values.

# %%
test = perovskites.of((perovskites.table["subset"] == "test").to_numpy())
answers = model.predict(test.structures)
answers["energy"] = test.table["energy"]
answers[["formula", "energy", "prediction", "spread", "lower", "upper"]].head(8).round(3)

# %% [markdown]
# ## 0.3 How wrong is it? (3 points)
#
# Give the **mean absolute error**. A material that the model cannot handle has no prediction (NaN): leave it out.


# %% exercise="mean_error"
def mean_error(prediction, target):
    """Mean absolute error where there is a prediction: prediction (n,) may hold NaN, target (n,) does not."""
    ### BEGIN SOLUTION
    known = ~np.isnan(prediction)
    return np.abs(prediction[known] - target[known]).mean()
    ### END SOLUTION


# %% check="mean_error" points=3
checks.mean_error(mean_error)

# %%
error = mean_error(answers["prediction"].to_numpy(), answers["energy"].to_numpy())
train_mean = perovskites.table.loc[perovskites.table["subset"] == "train", "energy"].mean()
constant = mean_error(np.full(len(answers), train_mean), answers["energy"].to_numpy())
inside = answers["energy"].between(answers["lower"], answers["upper"]).mean()

fig, ax = plt.subplots(figsize=(4.6, 4.6))
ax.errorbar(answers["energy"], answers["prediction"], yerr=answers["spread"], fmt=".", elinewidth=0.6)
ax.axline((-3, -3), slope=1, color="grey", linewidth=0.8)
ax.set(
    xlabel="formation energy (eV/atom)",
    ylabel="prediction (eV/atom)",
    aspect="equal",
    title=f"{len(answers)} perovskites never seen",
)
plt.show()
print(f"mean absolute error {error:.3f} eV/atom = {kj_per_mol(error, 5):.0f} kJ/mol of ABO3")
print(f"always saying the mean of the training set: {constant:.3f} eV/atom")
print(f"{inside:.0%} of the true values are in the interval")

# %% [markdown]
# ## Two questions

# %% [markdown]
# **0.4** Two polymorphs of one formula often differ by 0.02 eV/atom. Can this model say which of them is more stable?
# Use your number. (2 points, read by a person)

# %% [markdown] answer="q-polymorphs" points=2
# ### BEGIN SOLUTION
# Not reliably: its mean error is several times 0.02 eV/atom. Errors of two polymorphs may partly cancel, since their
# compositions are the same, but that would have to be measured on pairs; it does not follow from the error of single
# materials.
#
# *Rubric. 1 point: compares 0.02 with the measured error. 1 point: says that errors of a difference are another
# matter.*
# ### END SOLUTION

# %% [markdown]
# **0.5** Your friend predicts the formation energy of metallic copper with this model, and gets −1.9 eV/atom. Without
# any table: how do you know that this is wrong, and why does the model say it? (2 points, read by a person)

# %% [markdown] answer="q-copper" points=2
# ### BEGIN SOLUTION
# An element has formation energy 0 by definition. The model has seen nothing but perovskite oxides; about anything
# else it answers near what it knows, and does not know that it does not know.
#
# *Rubric. 1 point: 0 by definition. 1 point: outside of what it was trained on.*
# ### END SOLUTION
