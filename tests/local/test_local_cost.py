"""What a server costs: the processor's time to its first answer, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MEASURE = """
import json, time, urllib.request
from airflow_neptune_ml.local import LocalNeptuneML

begun = time.process_time()
with LocalNeptuneML() as neptune:
    urllib.request.urlopen(neptune.url + "/ml/endpoints").read()
    seconds = time.process_time() - begun
    memory = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))

begun = time.process_time()
import boto3
boto3.client("neptunedata", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
print(json.dumps([seconds / (time.process_time() - begun), int(memory.split()[1]) / 1000]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read where Linux tells it")
def test_start_and_memory(record_property: Callable[[str, object], None]) -> None:
    """From its start to its first answer a server takes less of the processor than a client does to be made, and
    less than 45 MB."""
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    # The best of three: what else the machine does makes one of them slower.
    share, memory = min(run[0] for run in runs), max(run[1] for run in runs)
    record_property(
        "measured", f"start to first answer {share:.2f} of a client's CPU, memory {memory:.1f} MB"
    )
    assert share < 1
    assert memory < 45
