"""Grade a folder of submissions: SUBMISSIONS/<student>/<notebook>.ipynb.

    python -m homework.grading SUBMISSIONS --out build/grades

Every notebook is run by nbgrader in a cage of its own. OUT then has grades.csv (a row a question, with a reason where a
notebook was refused), totals.csv (a row a student), nbgrader's gradebook.db and the feedback pages. A second run into
the same OUT grades what is new or has changed, and keeps the rest, points given by hand above all.
"""

import sys
from argparse import ArgumentParser
from pathlib import Path

from cgcnn.errors import InputError
from homework.grading.grade import Limits, grade

if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/grades"))
    parser.add_argument("--cell-seconds", type=int, default=Limits.cell_seconds, help="of one cell, then it fails")
    parser.add_argument(
        "--notebook-seconds", type=int, default=Limits.notebook_seconds, help="then the notebook gets 0"
    )
    parser.add_argument("--memory-gb", type=float, default=Limits.memory_gb)
    parser.add_argument("--again", action="store_true", help="also what has not changed: the checks have")
    a = parser.parse_args()
    try:
        grade(a.submissions, a.out, Limits(a.cell_seconds, a.notebook_seconds, a.memory_gb), a.again)
    except InputError as error:
        sys.exit(f"Error: {error}")
    print(f"Grades: {a.out / 'grades.csv'}   Feedback: {a.out / 'feedback'}")
