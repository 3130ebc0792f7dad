configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/fetch.smk"
include: "rules/graphs.smk"
include: "rules/train.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        "results/report/index.html",
        of_each_model(f"{RESULT}/model.safetensors", baselines=False),
        of_each_model(f"{RESULT}/predictions.parquet"),
        of_each_model(f"{RESULT}/metrics.json"),


onsuccess:
    print(f"The report: {HERE}/results/report/index.html")
