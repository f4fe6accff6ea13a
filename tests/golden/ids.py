"""Names of Airflow's, of all sorts, and the job ids that are derived from them."""

from airflow_neptune_ml.job_families import JobFamily

RUN = "scheduled__2026-01-01T00:00:00+00:00"
NAMES = [
    ("", "dag", "run", "task"),
    ("http://localhost:8080", "dag", "run", "task"),
    ("https://airflow.example", "graph_ml", RUN, "models.train_model"),
    ("https://airflow.example", "graph_ml", RUN, "models.of_each_night.train_model"),
    ("https://airflow.example", "graph_ml", "manual__2026-01-01T00:00:00+00:00", "models.train_model"),
    ("prod", "graph-ml", RUN, "train"),
    ("prod", "graph.ml", RUN, "train"),
    ("prod", "Graph ML", RUN, "TRAIN"),
    ("prod", "_dag_", RUN, "__task__"),
    ("prod", "dag-that-has-a-long-name-of-many-words", RUN, "task_that_has_a_long_name_of_many_words"),
    ("prod", "d" * 250, "r" * 250, "t" * 250),
    ("prod", "dag_of_12", RUN, "task_of_10"),
    ("prod", "dag_of_1_3", RUN, "task_of__11"),
    ("prod", "größe", RUN, "prüfen"),
    ("prod", "図", RUN, "訓練"),
    ("prod", "图-1", RUN, "训练.训练"),
    ("prod", "1", "2", "3"),
    ("prod", "a.b", "c", "d."),
    ("prod", "", "", ""),
    ('a"b', "dag", "run\n", "task\\"),
    ("🚀", "🚀", "🚀", "🚀"),
]
NUMBERS = [(-1, 0, 1), (-1, 3, 2), (0, 0, 1), (7, 12, 34), (1023, 99, 100)]
"""Map index, generation and attempt."""


def derived_ids():
    """Return each family with the ids of its jobs, as rows of JSON values."""
    return {
        "ids": [
            {
                "of": list(names),
                "prefix": JobFamily.of(*names).prefix,
                "ids": [
                    JobFamily.of(*names).job_id(map_index=index, generation=generation, attempt=attempt)
                    for index, generation, attempt in NUMBERS
                ],
            }
            for names in NAMES
        ]
    }
