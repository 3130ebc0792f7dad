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
        of_each_contest(of_each_variant(f"{RESULT}/model.safetensors")),
        of_each_contest(of_each_variant(f"{RESULT}/domain.safetensors")),
        of_each_contest(of_each_model(f"{CONTEST}/{{model}}/predictions.parquet")),
        of_each_contest(f"{CONTEST}/metrics.json"),


onsuccess:
    print(f"The report: {HERE}/results/report/index.html")
