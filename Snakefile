# From the root, also inside a job, which starts in the folder of its run.
configfile: f"{workflow.basedir}/config.yaml"


report: "rules/workflow.rst"


include: "rules/common.smk"
include: "rules/fetch.smk"
include: "rules/graphs.smk"
include: "rules/train.smk"
include: "rules/report.smk"
include: "rules/doctor.smk"
include: "rules/screen.smk"
include: "rules/study.smk"
include: "rules/limits.smk"


rule all:
    default_target: True
    input:
        "data/structures.parquet",
        "data/rejects.parquet",
        GRAPHS,
        "results/report/index.html",
        "results/provenance.json",
        of_each_contest(of_each_variant(f"{RESULT}/model.safetensors")),
        of_each_contest(of_each_variant(f"{RESULT}/model.json")),
        of_each_contest(of_each_variant(f"{RESULT}/history.json")),
        of_each_contest(of_each_variant(f"{RESULT}/domain.safetensors")),
        of_each_contest(of_each_model(f"{CONTEST}/{{model}}/predictions.parquet")),
        of_each_contest("data/splits/{split}/{task}.parquet"),
        of_each_contest([f"{CONTEST}/{name}" for name in ("metrics.json", "summary.json", "learning.csv", "test.csv")]),
        of_each_contest([f"{CONTEST}/examination.parquet", f"{CONTEST}/examination.json"]),


onsuccess:
    if Path(DIAGNOSIS).exists():
        print(Path(DIAGNOSIS).read_text(encoding="utf-8"))
        Path(DIAGNOSIS).unlink()
    for page in pages_made():
        print(f"To read: {page}")
