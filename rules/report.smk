STAGES = ["fetch.py", "graphs.py", "split.py", "train.py", "predict.py", "baselines.py", "evaluate.py", "report.py"]


rule provenance:
    """What made the results: settings, code, versions, machine."""
    input:
        of_each_model(f"{RESULT}/metrics.json"),
    output:
        provenance="results/provenance.json",
    params:
        section=as_json(CONFIG.model_dump(exclude={"execution"})),
        code=as_json({script: code_of(script) for script in STAGES}),
    log:
        "logs/provenance.log",
    localrule: True
    shell:
        "{PYTHON} {SCRIPTS}/provenance.py --section {params.section:q} --code {params.code:q}"
        " --provenance {output.provenance} --log {log}"


rule report:
    """The comparison on one page that works offline."""
    input:
        structures="data/structures.parquet",
        rejects="data/rejects.parquet",
        splits=expand("data/splits/{split}/{task}.parquet", split=CONFIG.splits, task=CONFIG.tasks),
        metrics=of_each_model(f"{RESULT}/metrics.json"),
        predictions=of_each_model(f"{RESULT}/predictions.parquet"),
        histories=of_each_model(f"{RESULT}/history.json", baselines=False),
        details=expand("results/{task}/{split}/baselines/details.json", task=CONFIG.tasks, split=CONFIG.splits)
        if CONFIG.baselines
        else [],
        provenance="results/provenance.json",
    output:
        page="results/report/index.html",
    params:
        section=as_json(
            {
                "report": CONFIG.report,
                "tasks": CONFIG.tasks,
                "splits": CONFIG.splits,
                "variants": list(CONFIG.variants),
                "baselines": CONFIG.baselines,
            }
        ),
        code=code_of("report.py"),
    log:
        "logs/report.log",
    localrule: True
    shell:
        "{PYTHON} {SCRIPTS}/report.py --section {params.section:q} --data data --results results"
        " --page {output.page} --log {log}"
