# What needs more training than the default run: snakemake study, or make study.

SIZES = [f"{CONFIG.splits[0]}-{share:g}" for share in CONFIG.study.shares]
STUDY = list(dict.fromkeys([*CONFIG.study.splits, *CONFIG.splits, *SIZES]))


rule study:
    """How scores change with the kind of split and with the number of training materials, on one page."""
    input:
        structures="data/structures.parquet",
        rejects="data/rejects.parquet",
        splits=of_each_contest("data/splits/{split}/{task}.parquet", STUDY),
        metrics=of_each_contest(f"{CONTEST}/metrics.json", STUDY),
        predictions=of_each_contest(of_each_model(f"{CONTEST}/{{model}}/predictions.parquet"), STUDY),
        histories=of_each_contest(of_each_variant(f"{RESULT}/history.json"), STUDY),
        details=of_each_contest(f"{CONTEST}/baselines/details.json", STUDY) if CONFIG.baselines else [],
        provenance="results/provenance.json",
    output:
        page=report(
            "results/study/index.html", category="Study", caption="study.rst", labels={"page": "splits and sizes"}
        ),
    log:
        "logs/study.log",
    localrule: True
    params:
        section=as_json(
            {
                "report": CONFIG.report,
                "tasks": CONFIG.tasks,
                "splits": STUDY,
                "variants": list(CONFIG.variants),
                "baselines": CONFIG.baselines,
                "examination": False,
                "ladder": CONFIG.study.splits,
                "learning": CONFIG.splits[0],
            }
        ),
        script=script("study.py"),
        code=code_of("study.py"),
    shell:
        "python {params.script} --section {params.section:q} --data data --results results"
        " --page {output.page} --log {log}"
