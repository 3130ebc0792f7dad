STAGES = [
    "fetch.py",
    "graphs.py",
    "split.py",
    "train.py",
    "predict.py",
    "baselines.py",
    "evaluate.py",
    "examine.py",
    "report.py",
]


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


rule examine:
    """What the networks of one task and split have learned, and whether the choice of a cell changes what they say."""
    input:
        graphs=GRAPHS,
        structures="data/structures.parquet",
        split="data/splits/{split}/{task}.parquet",
        metrics=f"{CONTEST}/metrics.json",
        weights=of_each_variant(f"{RESULT}/model.safetensors"),
        cards=of_each_variant(f"{RESULT}/model.json"),
        domains=of_each_variant(f"{RESULT}/domain.safetensors"),
    output:
        table=f"{CONTEST}/examination.parquet",
        facts=f"{CONTEST}/examination.json",
    log:
        "logs/examine/{task}/{split}.log",
    benchmark:
        "logs/benchmarks/examine/{task}/{split}.tsv"
    resources:
        mem_mb=memory(4000, 300),
        runtime=minutes(30, 1),
        device=CONFIG.execution.device,
    params:
        section=as_json({"variants": list(CONFIG.variants), **dict(CONFIG.examination)}),
        script=script("examine.py"),
        code=code_of("examine.py"),
    shell:
        "python {params.script} --section {params.section:q} --device {resources.device} --graphs {input.graphs}"
        " --structures {input.structures} --split {input.split} --metrics {input.metrics} --weights {input.weights}"
        " --table {output.table} --facts {output.facts} --log {log}"


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
        examinations=of_each_contest([f"{CONTEST}/examination.parquet", f"{CONTEST}/examination.json"]),
        provenance="results/provenance.json",
    output:
        page=report("results/report/index.html", category="Report", caption="report.rst", labels={"page": "comparison"}),
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
                "examination": True,
            }
        ),
        script=script("report.py"),
        code=code_of("report.py"),
    shell:
        "python {params.script} --section {params.section:q} --data data --results results --benchmarks logs/benchmarks"
        " --page {output.page} --log {log}"
