rule hindsight:
    """Would the screening have found what is known today? Networks trained without it look for it."""
    input:
        structures="data/structures.parquet",
        graphs=GRAPHS,
    output:
        hindsight="results/screen/hindsight.json",
    log:
        "logs/hindsight.log",
    benchmark:
        "logs/benchmarks/hindsight.tsv"
    resources:
        mem_mb=memory(4000, 300),
        # Networks for each draw of each experiment, on one core.
        runtime=minutes(60, 0.03 * CONFIG.train.epochs * CONFIG.screen.hindsight.draws),
    params:
        section=hindsight_section,
        script=script("hindsight.py"),
        code=code_of("hindsight.py"),
    shell:
        "python {params.script} --section {params.section:q} --structures {input.structures}"
        " --graphs {input.graphs} --hindsight {output.hindsight} --log {log}"


rule screen:
    """Candidates ranked by the probability that they meet the target: a table, and a page with cards."""
    input:
        weights=wanted("model.safetensors"),
        cards=wanted("model.json"),
        domains=wanted("domain.safetensors"),
        hindsight="results/screen/hindsight.json",
        files=lambda w: candidates(),
    output:
        ranking="results/screen/ranking.parquet",
        page="results/screen/index.html",
    log:
        "logs/screen.log",
    resources:
        mem_mb=memory(4000, 50),
        runtime=60,
        device=CONFIG.execution.device,
    params:
        section=as_json({"wants": CONFIG.screen.wants, "anions": CONFIG.screen.anions, "top": CONFIG.screen.top}),
        script=script("screen.py"),
        code=code_of("screen.py"),
        paths=lambda w: [from_root(path) for path in own_paths("screen.paths", CONFIG.screen.paths)],
        # Not of `input`, as in the rule fetch.
        content=lambda w: content_of(candidates()),
    shell:
        "python {params.script} --section {params.section:q} --device {resources.device} --weights {input.weights}"
        " --hindsight {input.hindsight} --candidates {params.paths:q}"
        " --ranking {output.ranking} --page {output.page} --log {log}"
