RESULT = "results/{task}/{split}/{variant}"


def task_section(wildcards):
    return as_json(CONFIG.tasks[wildcards.task])


rule split:
    """Train, validation and test materials of one task."""
    input:
        structures="data/structures.parquet",
    output:
        split="data/splits/{split}/{task}.parquet",
    params:
        section=lambda w: as_json({"task": CONFIG.tasks[w.task], "strategy": w.split, "split": CONFIG.split}),
        code=code_of("split.py"),
    log:
        "logs/splits/{split}/{task}.log",
    localrule: True
    shell:
        "{PYTHON} {SCRIPTS}/split.py --section {params.section:q}"
        " --structures {input.structures} --split {output.split} --log {log}"


rule train:
    """All seeds of one variant on one task and split."""
    input:
        graphs=GRAPHS,
        split="data/splits/{split}/{task}.parquet",
    output:
        weights=f"{RESULT}/model.safetensors",
        card=f"{RESULT}/model.json",
        history=f"{RESULT}/history.json",
    params:
        section=lambda w: as_json({"task": CONFIG.tasks[w.task], **dict(CONFIG.variants[w.variant])}),
        code=code_of("train.py"),
        # Outside the outputs, which Snakemake removes when a job fails.
        checkpoints=f"checkpoints/{{task}}/{{split}}/{{variant}}",
    log:
        "logs/train/{task}/{split}/{variant}.log",
    benchmark:
        "logs/benchmarks/train/{task}/{split}/{variant}.tsv"
    threads: CONFIG.execution.threads
    shell:
        "{PYTHON} {SCRIPTS}/train.py --section {params.section:q} --code {params.code} --device {CONFIG.execution.device}"
        " --threads {threads} --checkpoints {params.checkpoints} --every {CONFIG.execution.checkpoint_seconds}"
        " --name {wildcards.task}/{wildcards.split}/{wildcards.variant} --graphs {input.graphs}"
        " --split {input.split} --weights {output.weights} --history {output.history} --log {log}"


rule predict:
    """What each seed says of every material of the task."""
    input:
        graphs=GRAPHS,
        split="data/splits/{split}/{task}.parquet",
        weights=f"{RESULT}/model.safetensors",
        card=f"{RESULT}/model.json",
    output:
        predictions=f"{RESULT}/predictions.parquet",
    params:
        section=lambda w: as_json({"unit": CONFIG.tasks[w.task].unit}),
        code=code_of("predict.py"),
    log:
        "logs/predict/{task}/{split}/{variant}.log",
    shell:
        "{PYTHON} {SCRIPTS}/predict.py --section {params.section:q} --model {wildcards.variant}"
        " --device {CONFIG.execution.device} --threads {threads} --graphs {input.graphs} --split {input.split}"
        " --weights {input.weights} --predictions {output.predictions} --log {log}"


rule baselines:
    """What models without any structure say: the mean, the elements present, the composition."""
    input:
        structures="data/structures.parquet",
        split="data/splits/{split}/{task}.parquet",
    output:
        predictions="results/{task}/{split}/baselines/predictions.parquet",
        details="results/{task}/{split}/baselines/details.json",
    params:
        section=lambda w: as_json(
            {"task": CONFIG.tasks[w.task], "baselines": CONFIG.baselines, "seeds": CONFIG.train.seeds}
        ),
        code=code_of("baselines.py"),
    log:
        "logs/baselines/{task}/{split}.log",
    benchmark:
        "logs/benchmarks/baselines/{task}/{split}.tsv"
    shell:
        "{PYTHON} {SCRIPTS}/baselines.py --section {params.section:q} --structures {input.structures}"
        " --split {input.split} --predictions {output.predictions} --details {output.details} --log {log}"


ruleorder: baselines > predict


rule evaluate:
    """Metrics of every model in one table of predictions, with intervals."""
    input:
        predictions=f"{RESULT}/predictions.parquet",
    output:
        metrics=f"{RESULT}/metrics.json",
    params:
        section=lambda w: as_json({"task": CONFIG.tasks[w.task], "evaluation": CONFIG.evaluation}),
        code=code_of("evaluate.py"),
    log:
        "logs/evaluate/{task}/{split}/{variant}.log",
    localrule: True
    shell:
        "{PYTHON} {SCRIPTS}/evaluate.py --section {params.section:q}"
        " --predictions {input.predictions} --metrics {output.metrics} --log {log}"
