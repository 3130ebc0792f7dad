rule graphs:
    """Crystal graphs of one shard of the structures."""
    input:
        structures="data/structures.parquet",
    output:
        graphs="data/graphs/{shard}.parquet",
    log:
        "logs/graphs/{shard}.log",
    benchmark:
        "logs/benchmarks/graphs/{shard}.tsv"
    threads: CONFIG.execution.workers
    resources:
        mem_mb=memory(4000, 5),
        runtime=minutes(15, 2 / CONFIG.graphs.shards),
    params:
        section=lambda w: as_json(CONFIG.graphs),
        script=script("graphs.py"),
        code=code_of("graphs.py"),
    shell:
        "python {params.script} --section {params.section:q} --shard {wildcards.shard} --workers {threads}"
        " --structures {input.structures} --graphs {output.graphs} --log {log}"


GRAPHS = expand("data/graphs/{shard}.parquet", shard=range(CONFIG.graphs.shards))
