# Where the networks of a run end: snakemake limits. Not part of the default run.


rule limits:
    """Experiments on the trained networks: ties, reach, twins, strains, unrelaxed structures; and where all are worse."""
    input:
        weights=of_the_limits("model.safetensors"),
        card=of_the_limits("model.json"),
        structures="data/structures.parquet",
        split=lambda w: f"data/splits/{CONFIG.limits.split}/{CONFIG.limits.task}.parquet",
        predictions=lambda w: said_of(CONFIG.limits.task),
        class_split=[f"data/splits/{CONFIG.limits.split}/{task}.parquet" for task in FIRST_CLASSIFICATION],
        class_predictions=lambda w: [file for task in FIRST_CLASSIFICATION for file in said_of(task)],
    output:
        limits="results/limits/limits.json",
        page="results/limits/index.html",
    log:
        "logs/limits.log",
    resources:
        mem_mb=memory(4000, 300),
        runtime=minutes(30, 1),
    params:
        section=as_json({"structures": CONFIG.limits.structures, "seed": CONFIG.limits.seed}),
        script=script("limits.py"),
        code=code_of("limits.py"),
    shell:
        "python {params.script} --section {params.section:q} --weights {input.weights} --structures {input.structures}"
        " --split {input.split} --predictions {input.predictions} --class-split {input.class_split}"
        " --class-predictions {input.class_predictions} --limits {output.limits} --page {output.page} --log {log}"
