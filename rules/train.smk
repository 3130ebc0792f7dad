CONTEST = "results/{task}/{split}"
RESULT = f"{CONTEST}/{{variant}}"


rule split:
    """Train, validation and test materials of one task."""
    input:
        structures="data/structures.parquet",
    output:
        split="data/splits/{split}/{task}.parquet",
    log:
        "logs/splits/{split}/{task}.log",
    localrule: True
    params:
        section=lambda w: as_json({"task": CONFIG.tasks[w.task], **strategy_of(w.split), "split": CONFIG.split}),
        script=script("split.py"),
        code=code_of("split.py"),
    shell:
        "python {params.script} --section {params.section:q}"
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
    log:
        "logs/train/{task}/{split}/{variant}.log",
    benchmark:
        "logs/benchmarks/train/{task}/{split}/{variant}.tsv"
    threads: CONFIG.execution.threads
    resources:
        mem_mb=memory(6000, 300),
        runtime=minutes(30, 0.03 * CONFIG.train.epochs * len(CONFIG.train.seeds)),
        device=CONFIG.execution.device,
        seeds_on_gpu=CONFIG.execution.seeds_on_gpu,
        precision_on_gpu=CONFIG.execution.precision_on_gpu,
        steps_on_gpu=CONFIG.execution.steps_on_gpu,
        checkpoint_seconds=CONFIG.execution.checkpoint_seconds,
    params:
        section=lambda w: as_json({"task": CONFIG.tasks[w.task], **dict(CONFIG.variants[w.variant])}),
        script=script("train.py"),
        code=code_of("train.py"),
        # Outside the outputs, which Snakemake removes when a job fails.
        checkpoints=f"checkpoints/{{task}}/{{split}}/{{variant}}",
    shell:
        "python {params.script} --section {params.section:q} --code {params.code} --device {resources.device}"
        " --threads {threads} --seeds-on-gpu {resources.seeds_on_gpu}"
        " --precision-on-gpu {resources.precision_on_gpu} --steps-on-gpu {resources.steps_on_gpu}"
        " --checkpoints {params.checkpoints} --every {resources.checkpoint_seconds}"
        " --name {wildcards.task}/{wildcards.split}/{wildcards.variant} --graphs {input.graphs}"
        " --split {input.split} --weights {output.weights} --history {output.history} --log {log}"


rule predict:
    """What each seed of each variant says of every material of the task."""
    input:
        graphs=GRAPHS,
        split="data/splits/{split}/{task}.parquet",
        weights=of_each_variant(f"{RESULT}/model.safetensors"),
        cards=of_each_variant(f"{RESULT}/model.json"),
    output:
        predictions=of_each_variant(f"{RESULT}/predictions.parquet"),
        domains=of_each_variant(f"{RESULT}/domain.safetensors"),
    log:
        "logs/predict/{task}/{split}.log",
    benchmark:
        "logs/benchmarks/predict/{task}/{split}.tsv"
    resources:
        mem_mb=memory(4000, 300),
        runtime=minutes(20, 0.1 * len(CONFIG.train.seeds)),
        device=CONFIG.execution.device,
    params:
        section=lambda w: as_json({"unit": CONFIG.tasks[w.task].unit, "variants": list(CONFIG.variants)}),
        script=script("predict.py"),
        code=code_of("predict.py"),
    shell:
        "python {params.script} --section {params.section:q} --device {resources.device} --threads {threads}"
        " --graphs {input.graphs} --split {input.split} --weights {input.weights}"
        " --predictions {output.predictions} --domains {output.domains} --log {log}"


rule baselines:
    """What models without any structure say: the mean, the elements present, the composition."""
    input:
        structures="data/structures.parquet",
        split="data/splits/{split}/{task}.parquet",
    output:
        predictions=f"{CONTEST}/baselines/predictions.parquet",
        details=f"{CONTEST}/baselines/details.json",
    log:
        "logs/baselines/{task}/{split}.log",
    benchmark:
        "logs/benchmarks/baselines/{task}/{split}.tsv"
    resources:
        mem_mb=memory(4000, 50),
        runtime=minutes(30, 2),
    params:
        section=lambda w: as_json(
            {"task": CONFIG.tasks[w.task], "baselines": CONFIG.baselines, "seeds": CONFIG.train.seeds}
        ),
        script=script("baselines.py"),
        code=code_of("baselines.py"),
    shell:
        "python {params.script} --section {params.section:q} --structures {input.structures}"
        " --split {input.split} --predictions {output.predictions} --details {output.details} --log {log}"


rule evaluate:
    """Metrics of every model of one task and split, with intervals; and the few figures that versions are compared by."""
    input:
        predictions=of_each_model(f"{CONTEST}/{{model}}/predictions.parquet"),
        histories=of_each_variant(f"{RESULT}/history.json"),
    output:
        metrics=f"{CONTEST}/metrics.json",
        summary=f"{CONTEST}/summary.json",
        learning=f"{CONTEST}/learning.csv",
        test=f"{CONTEST}/test.csv",
    log:
        "logs/evaluate/{task}/{split}.log",
    localrule: True
    params:
        section=lambda w: as_json(
            {"task": CONFIG.tasks[w.task], "evaluation": CONFIG.evaluation, "variants": list(CONFIG.variants)}
        ),
        script=script("evaluate.py"),
        code=code_of("evaluate.py"),
    shell:
        "python {params.script} --section {params.section:q}"
        " --predictions {input.predictions} --histories {input.histories} --metrics {output.metrics}"
        " --summary {output.summary} --learning {output.learning} --test {output.test} --log {log}"
