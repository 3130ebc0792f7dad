def source_files(wildcards):
    """Every file that the source is made of, so that an edit of one is seen."""
    if CONFIG.source.name == "embedded":
        return [from_root("data/embedded/materials.parquet")]
    files = []
    for path in CONFIG.source.paths:
        if not (ROOT / path).exists():
            raise WorkflowError(f"source.paths: {path}: no such file or folder. Correct the path in the configuration.")
        inside = sorted(Path(path if os.path.isabs(path) else ROOT / path).glob("*"))
        files += [from_root(os.path.join(path, file.name)) for file in inside if file.is_file()] or [from_root(path)]
    return files


rule fetch:
    """Structures and targets from the configured source, and what had to be rejected."""
    input:
        files=source_files,
    output:
        structures="data/structures.parquet",
        rejects="data/rejects.parquet",
    params:
        section=as_json(
            {
                "source": CONFIG.source,
                "structures": CONFIG.structures,
                "targets": CONFIG.target_units(),
                "families": sorted({family for task in CONFIG.tasks.values() for family in task.families}),
            }
        ),
        code=code_of("fetch.py"),
        root=lambda wildcards: from_root("."),
    log:
        "logs/fetch.log",
    benchmark:
        "logs/benchmarks/fetch.tsv"
    localrule: True
    shell:
        "{PYTHON} {SCRIPTS}/fetch.py --section {params.section:q} --root {params.root:q}"
        " --structures {output.structures} --rejects {output.rejects} --log {log}"
