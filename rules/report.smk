STAGES = ["fetch.py", "graphs.py", "split.py", "train.py", "predict.py", "baselines.py", "evaluate.py", "report.py"]


rule provenance:
    """What made the results: settings, code, versions, machine."""
    input:
        of_each_contest(f"{CONTEST}/metrics.json"),
    output:
        provenance="results/provenance.json",
    log:
        "logs/provenance.log",
    localrule: True
    params:
        section=lambda w: as_json(CONFIG.model_dump(exclude={"execution"})),
        script=script("provenance.py"),
        code=lambda w: as_json({stage: code_of(stage) for stage in STAGES}),
    shell:
        "python {params.script} --section {params.section:q} --code {params.code:q}"
        " --provenance {output.provenance} --log {log}"


rule report:
    """The comparison on one page that works offline."""
    input:
        structures="data/structures.parquet",
        rejects="data/rejects.parquet",
        splits=of_each_contest("data/splits/{split}/{task}.parquet"),
        metrics=of_each_contest(f"{CONTEST}/metrics.json"),
        predictions=of_each_contest(of_each_model(f"{CONTEST}/{{model}}/predictions.parquet")),
        histories=of_each_contest(of_each_variant(f"{RESULT}/history.json")),
        details=of_each_contest(f"{CONTEST}/baselines/details.json") if CONFIG.baselines else [],
        provenance="results/provenance.json",
    output:
        page="results/report/index.html",
    log:
        "logs/report.log",
    localrule: True
    params:
        section=lambda w: as_json(
            {
                "report": CONFIG.report,
                "tasks": CONFIG.tasks,
                "splits": CONFIG.splits,
                "variants": list(CONFIG.variants),
                "baselines": CONFIG.baselines,
            }
        ),
        script=script("report.py"),
        code=code_of("report.py"),
    shell:
        "python {params.script} --section {params.section:q} --data data --results results"
        " --page {output.page} --log {log}"
