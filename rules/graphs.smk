rule graphs:
    """Crystal graphs of one shard of the structures."""
    input:
        structures="data/structures.parquet",
    output:
        graphs="data/graphs/{shard}.parquet",
    params:
        section=as_json(CONFIG.graphs),
        code=code_of("graphs.py"),
    log:
        "logs/graphs/{shard}.log",
    benchmark:
        "logs/benchmarks/graphs/{shard}.tsv"
    threads: CONFIG.execution.workers
    shell:
        "{PYTHON} {SCRIPTS}/graphs.py --section {params.section:q} --shard {wildcards.shard} --workers {threads}"
        " --structures {input.structures} --graphs {output.graphs} --log {log}"


GRAPHS = expand("data/graphs/{shard}.parquet", shard=range(CONFIG.graphs.shards))
