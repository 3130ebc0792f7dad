if CONFIG.source.name == "materials_project":

    rule snapshot:
        """The Materials Project as of now. Neither code nor date fetches it again, only another query."""
        output:
            update(SNAPSHOT),  # stays where a fetch fails
        log:
            "logs/snapshot.log",
        retries: 0  # it retries by itself, and a refused key stays refused
        localrule: True
        params:
            query=lambda w: as_json(CONFIG.source.materials_project),
            state="checkpoints/snapshot",
            script=script("snapshot.py"),
        shell:
            "python {params.script} --query {params.query:q} --snapshot {output} --state {params.state} --log {log}"


rule fetch:
    """Structures and targets from the configured source, and what had to be rejected."""
    input:
        files=source_files,
    output:
        structures="data/structures.parquet",
        rejects="data/rejects.parquet",
    log:
        "logs/fetch.log",
    benchmark:
        "logs/benchmarks/fetch.tsv"
    localrule: True
    params:
        section=lambda w: as_json(
            {
                "source": source_section(),
                "structures": CONFIG.structures,
                "targets": list(CONFIG.target_units().items()),  # in their order, which JSON would lose
                "families": sorted({family for task in CONFIG.tasks.values() for family in task.families}),
            }
        ),
        # Not of `input`: Snakemake does not keep what depends on it, so that a change would not be seen.
        content=lambda w: "" if CONFIG.source.name == "materials_project" else content_of(source_files(w)),
        script=script("fetch.py"),
        code=code_of("fetch.py"),
        root=lambda wildcards: from_root("."),
    shell:
        "python {params.script} --section {params.section:q} --root {params.root:q}"
        " --structures {output.structures} --rejects {output.rejects} --log {log}"
