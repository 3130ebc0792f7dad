# Where the networks of a run end: snakemake limits. Not part of the default run.


rule limits:
    """Experiments on the trained networks: ties, reach, twins, strains, unrelaxed structures."""
    input:
        weights=of_the_limits("model.safetensors"),
        card=of_the_limits("model.json"),
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
