# Printed and removed when all is well (see onsuccess), so that the doctor comes whenever he is called.
DIAGNOSIS = "logs/doctor.txt"


rule doctor:
    """Is everything there that training needs, where training runs? With --profile slurm-a100, inside a GPU job."""
    output:
        diagnosis=DIAGNOSIS,
    log:
        "logs/doctor.log",
    retries: 0
    resources:
        mem_mb=4000,
        runtime=10,
        device=CONFIG.execution.device,
    shell:
        "python -m cgcnn.cli doctor --device {resources.device} --output {output.diagnosis} >{log} 2>&1"
