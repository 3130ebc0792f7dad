# Where the networks of a run end: snakemake limits. Not part of the default run.


def examined(file):
    """`file` of the variant that limits names."""

    def of(wildcards):
        limits = CONFIG.limits
        if limits.task not in CONFIG.tasks or CONFIG.tasks[limits.task].kind != "regression":
            raise WorkflowError(f"limits.task: {limits.task} is no regression task of this configuration. Correct it.")
        if limits.split not in CONFIG.splits or limits.variant not in CONFIG.variants:
            raise WorkflowError("limits: its split or variant is not one of those that are trained. Correct it.")
        return f"results/{limits.task}/{limits.split}/{limits.variant}/{file}"

    return of


rule limits:
    """Experiments on the trained networks: ties, reach, twins, strains, unrelaxed structures."""
    input:
        weights=examined("model.safetensors"),
        card=examined("model.json"),
        structures="data/structures.parquet",
        split=lambda w: f"data/splits/{CONFIG.limits.split}/{CONFIG.limits.task}.parquet",
    output:
        limits="results/limits/limits.json",
        page="results/limits/index.html",
    log:
        "logs/limits.log",
    params:
        section=as_json({"structures": CONFIG.limits.structures, "seed": CONFIG.limits.seed}),
        script=script("limits.py"),
        code=code_of("limits.py"),
    shell:
        "python {params.script} --section {params.section:q} --weights {input.weights} --structures {input.structures}"
        " --split {input.split} --limits {output.limits} --page {output.page} --log {log}"
