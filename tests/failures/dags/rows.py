"""For each row of the matrix a DAG that a teardown cleans up after, and one for the other ways.

Airflow reads only files in which it finds its own name and the word DAG.
"""

from __future__ import annotations

from failure_rows import ROWS, chosen
from row_dags import DeadlineAlert, make

for row in ROWS:
    for group in row.groups:
        if not chosen(row, group) or (group == ("deadline",) and DeadlineAlert is None):
            continue
        dag = make(row, group)
        globals()[dag.dag_id] = dag
